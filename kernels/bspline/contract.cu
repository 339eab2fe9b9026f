// Operation: out[r, i] = sum over f of u[r, f, i] Phi_f(x[r, i]), features as in
//            features.cu. With u = g (C as a matrix)^T this is the gradient of a layer in
//            x (derivative 1) or in the scale (derivative 0).
// Launch:    1-D grid of any size, 1-D blocks of a multiple of 32 threads; one thread
//            a point, grid-stride loop.
// Bytes:     (degree + 3 + base) sizeof(T) a point whatever K is: only the active
//            functions' entries of u are read, though where neighbors lie on different
//            spans a sector of 32 bytes is fetched for fewer than eight of them.
//
//   template <T, degree, derivative>   float or double; cubic and 0 unless named
//   x          count = rows * inputs points, row by row
//   u          (rows, F, inputs), F = K + base
//   knots      double, (knot_rows, K + degree + 1), knot_rows = 1 or inputs
//   out        like x, every entry written
#include "bspline/active.cuh"

// region: kernel
template <typename T, int degree = 3, int derivative = 0>
__global__ void spline_contract(const T *__restrict__ x, const T *__restrict__ u,
                                const double *__restrict__ knots, T *__restrict__ out,
                                long long count, int inputs, int knot_rows, int size,
                                int base) {
    const Splines<T, degree, derivative> splines(knots, knot_rows, size);
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long n = (long long)blockIdx.x * blockDim.x + threadIdx.x; n < count;
         n += stride) {
        const long long row = n / inputs;
        const int input = (int)(n - row * inputs);
        const T point = x[n];
        T value[degree + 1];
        const int first = splines.active(point, input, value);
        const T *from = u + row * (size + base) * inputs + input;

        T sum = point != point ? point : T(0);
#pragma unroll
        for (int m = 0; m <= degree; ++m) {
            const int k = first + m;
            if (k >= 0 && k < size) sum += value[m] * from[(long long)k * inputs];
        }
        if (base) sum += silu<derivative>(point) * from[(long long)size * inputs];
        out[n] = sum;
    }
}
// endregion
