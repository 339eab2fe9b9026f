// Operation: gx = g dF/dx, and the sums of the coefficients' gradients over all elements
//            of a group; the second step of the lesson: a program owns 64 rows of one
//            group and adds to memory once for each coefficient, as FlashKAT does it.
// Launch:    grid (row tiles, groups), any size; blocks of whole warps, at most 256
//            threads.
// Bytes:     3 sizeof(T) an element for x, g and gx; and m + 1 + n atomic additions a
//            program, 64 * width times fewer than one for each element.
// Checked:   rational_backward_tiled<float>, rational_backward_tiled<double>,
// Checked:   rational_backward_tiled<bfloat16>
//
//   template <T, m, n, form>   as in rational/forward.cu
//   x, g, gx              (rows, groups * width)
//   numerator             (1 or groups, m + 1), numerator_stride 0 or m + 1
//   denominator           (groups, n)
//   numerator_gradient    like numerator, zeros before: it is added to
//   denominator_gradient  like denominator, zeros before
//
// What is left to gain: a width that is no multiple of 64 leaves lanes without work, each
// step of 64 columns ends in a sum over the block, and atomics arrive in any order.

#include "common/rational.cuh"

// region: kernel
template <typename T, int m = 5, int n = 4, char form = 'A'>
__global__ void __launch_bounds__(256, resident<T>)
    rational_backward_tiled(const T *__restrict__ x, const T *__restrict__ g,
                            const Arithmetic<T> *__restrict__ numerator,
                            const Arithmetic<T> *__restrict__ denominator,
                            T *__restrict__ gx, Arithmetic<T> *numerator_gradient,
                            Arithmetic<T> *denominator_gradient, long long rows, int groups,
                            int width, int numerator_stride) {
    using A = Arithmetic<T>;
    constexpr int tile = 64, bytes = sizeof(T), sums = m + 1 + n;
    __shared__ A warp_sums[8][sums];
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int warps = (int)blockDim.x / 32;
    const long long row_length = (long long)groups * width;

    for (long long first = (long long)blockIdx.x * tile; first < rows;
         first += (long long)gridDim.x * tile) {
        for (int group = (int)blockIdx.y; group < groups; group += (int)gridDim.y) {
            const long long row_a = (long long)group * numerator_stride;
            const long long row_b = (long long)group * n;
            const Coefficients<A, m, n, form> c(numerator + row_a, denominator + row_b);
            A total = A(0);  // in thread k: the program's k-th sum

            for (int left = 0; left < width; left += tile) {
                // region: element
                A sum_a[m + 1] = {}, sum_b[n + 1] = {};
                for (int k = (int)threadIdx.x; k < tile * tile; k += (int)blockDim.x) {
                    const long long row = first + k / tile;
                    const int column = left + k % tile;
                    if (row >= rows || column >= width) continue;  // a lane without work
                    const long long e =
                        row * row_length + (long long)group * width + column;
                    A point[1], incoming[1];
                    unpack<T, 1>(load<bytes>(x, e * bytes), point);
                    unpack<T, 1>(load<bytes>(g, e * bytes), incoming);
                    A gradient[1] = {
                        add_element<T>(c, point[0], incoming[0], sum_a, sum_b)};
                    store<bytes>(gx, e * bytes, packed<T, 1>(gradient));
                }
                // endregion

                // region: tree
                for (int k = 0; k < sums; ++k) {
                    const A sum = warp_sum(k <= m ? sum_a[k] : sum_b[k - m]);
                    if (lane == 0) warp_sums[warp][k] = sum;
                }
                __syncthreads();
                for (int w = 0; w < warps && (int)threadIdx.x < sums; ++w)
                    total += warp_sums[w][threadIdx.x];
                __syncthreads();  // before the next step writes there again
                // endregion
            }

            // region: atomics
            const int k = (int)threadIdx.x;
            if (k <= m) {
                atomicAdd(numerator_gradient + row_a + k, total);
            } else if (k < sums) {
                const long long at = row_b + k - m - 1;
                atomicAdd(denominator_gradient + at, negated<form>(total, denominator[at]));
            }
            // endregion
        }
    }
}
// endregion
