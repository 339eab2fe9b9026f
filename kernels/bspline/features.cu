// Operation: out[r, f, i] = s[r, i] Phi_f(x[r, i]): all K B-splines, then SiLU if asked
//            for, each differentiated `derivative` times. A matrix product with the
//            weights (F I, O) makes a layer of it.
// Launch:    1-D grid of any size, 1-D blocks of a multiple of 32 threads; one thread
//            a point, grid-stride loop.
// Bytes:     (1 + F) sizeof(T) a point, F = K + base (one more with a scale): x is read
//            and out is written once. Neighboring threads have neighboring inputs, which
//            is the last axis of both: every access is coalesced.
//
//   template <T, degree, derivative>   float or double; cubic and 0 unless named
//   x          count = rows * inputs points, row by row
//   scale      like x, or null for 1
//   knots      double, (knot_rows, K + degree + 1), knot_rows = 1 or inputs
//   out        (rows, F, inputs), every entry written
//   size       K
//   base       1: SiLU is the last feature; 0: there is none
#include "bspline/active.cuh"

// region: kernel
template <typename T, int degree = 3, int derivative = 0>
__global__ void spline_features(const T *__restrict__ x, const T *__restrict__ scale,
                                const double *__restrict__ knots, T *__restrict__ out,
                                long long count, int inputs, int knot_rows, int size,
                                int base) {
    const Splines<T, degree, derivative> splines(knots, knot_rows, size);
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long n = (long long)blockIdx.x * blockDim.x + threadIdx.x; n < count;
         n += stride) {
        const long long row = n / inputs;
        const int input = (int)(n - row * inputs);
        const T point = x[n], factor = scale == nullptr ? T(1) : scale[n];
        T value[degree + 1];
        const int first = splines.active(point, input, value);
#pragma unroll
        for (int m = 0; m <= degree; ++m) value[m] *= factor;

        // 0 times a finite factor; NaN if either of them is.
        const T rest = (point != point ? point : T(0)) * factor;
        T *to = out + row * (size + base) * inputs + input;
        for (int k = 0; k < size; ++k, to += inputs) {
            T v = rest;
#pragma unroll
            for (int m = 0; m <= degree; ++m)  // unrolled: value stays in registers
                if (first + m == k) v = value[m];
            *to = v;
        }
        if (base) *to = silu<derivative>(point) * factor;
    }
}
// endregion
