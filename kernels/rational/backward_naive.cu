// Operation: gx = g dF/dx, and the sums of the coefficients' gradients over all elements
//            of a group; the first step of the lesson: one atomic addition per element
//            and coefficient, as the first released kernels did it.
// Launch:    any 1-D grid of 1-D blocks; one thread an element, grid-stride loop.
// Bytes:     3 sizeof(T) an element for x, g and gx; and m + 1 + n atomic additions an
//            element, each of which reads and writes 4 more (double: 8) in the second-level
//            cache, one after the other where they meet at one address.
// Checked:   rational_backward_naive<float>, rational_backward_naive<double>,
// Checked:   rational_backward_naive<bfloat16>
//
//   template <T, m, n, form>   as in rational/forward.cu
//   x, g, gx              (rows, groups * width), count = rows * groups * width elements
//   numerator             (1 or groups, m + 1), numerator_stride 0 or m + 1
//   denominator           (groups, n)
//   numerator_gradient    like numerator, zeros before: it is added to
//   denominator_gradient  like denominator, zeros before
//
// The order of the additions is that of arrival: not the same bits from run to run.

#include "common/rational.cuh"

// region: kernel
template <typename T, int m = 5, int n = 4, char form = 'A'>
__global__ void rational_backward_naive(const T *__restrict__ x, const T *__restrict__ g,
                                        const Arithmetic<T> *__restrict__ numerator,
                                        const Arithmetic<T> *__restrict__ denominator,
                                        T *__restrict__ gx,
                                        Arithmetic<T> *numerator_gradient,
                                        Arithmetic<T> *denominator_gradient,
                                        long long count, int groups, int width,
                                        int numerator_stride) {
    using A = Arithmetic<T>;
    constexpr int bytes = sizeof(T);
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x; e < count;
         e += stride) {
        const long long group = e / width % groups;
        const long long row_a = group * numerator_stride, row_b = group * n;
        const Coefficients<A, m, n, form> c(numerator + row_a, denominator + row_b);

        // region: element
        A point[1], incoming[1], term_a[m + 1] = {}, term_b[n + 1] = {};
        unpack<T, 1>(load<bytes>(x, e * bytes), point);
        unpack<T, 1>(load<bytes>(g, e * bytes), incoming);
        A gradient[1] = {add_element<T>(c, point[0], incoming[0], term_a, term_b)};
        store<bytes>(gx, e * bytes, packed<T, 1>(gradient));
        // endregion

        // region: atomics
        // All elements of a group meet at these m + 1 + n addresses, one at a time.
        for (int i = 0; i <= m; ++i) atomicAdd(numerator_gradient + row_a + i, term_a[i]);
        for (int j = 1; j <= n; ++j) {
            const A term = negated<form>(term_b[j], denominator[row_b + j - 1]);
            atomicAdd(denominator_gradient + row_b + j - 1, term);
        }
        // endregion
    }
}
// endregion
