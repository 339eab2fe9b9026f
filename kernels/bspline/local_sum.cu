// Operation: out[r, o] = sum over i, f of s[r, i] Phi_f(x[r, i]) C[f, i, o], visiting only
//            the degree + 1 functions that are active at a point, and SiLU if asked for.
//            Its time does not depend on K.
// Launch:    grid (ceil(rows / (slots per)), ceil(outputs / (lanes pack))), 1-D blocks of
//            slots * lanes threads, a multiple of 32; lanes a power of two up to 32,
//            slots * per at most 512.
// Checked:   spline_local_sum<float>, spline_local_sum<double>
// Checked:   spline_local_sum<double, 8>
// Bytes:     2 sizeof(T) a point and output tile from far, the weights once for each
//            block. What takes the time is near: each of degree + 1 + base multiply-adds
//            wants a weight of its own from the first-level cache, because the next row
//            lies on another span. 128 bytes a cycle and SM feed 32 multiply-adds in
//            float, a quarter of what the SM could do.
//
// A block owns slots * per rows and lanes * pack outputs. It evaluates a tile of points
// into shared memory, each point once; then neighboring threads walk over the tile with
// neighboring outputs, so that their 16-byte loads make whole lines. Every output is
// summed by one thread over inputs in order: the same bits for any launch.
//
//   template <T, degree, derivative, pack, per>   pack outputs an access (16 bytes; 1
//              where outputs are no multiple or an address is not aligned), per rows a
//              thread
//   x, scale   (rows, inputs); scale may be null for 1
//   knots      double, (knot_rows, K + degree + 1), knot_rows = 1 or inputs
//   weight     (K + base, inputs, outputs), K > degree
//   out        (rows, outputs), every entry written
#include "bspline/active.cuh"
#include "common/vector.cuh"

// region: kernel
template <typename T, int degree = 3, int derivative = 0, int pack = 16 / sizeof(T),
          int per = 32 / sizeof(T)>
__global__ void spline_local_sum(const T *__restrict__ x, const T *__restrict__ scale,
                                 const double *__restrict__ knots,
                                 const T *__restrict__ weight, T *__restrict__ out,
                                 long long rows, int inputs, int outputs, int knot_rows,
                                 int size, int base, int lanes) {
    constexpr int points = 512;
    __shared__ Point<T, degree> tile[points];
    const Splines<T, degree, derivative> splines(knots, knot_rows, size);

    const int slots = (int)blockDim.x / lanes, slot = (int)threadIdx.x / lanes;
    const int height = slots * per, width = points / height;
    const long long row = (long long)blockIdx.x * height;
    const int o = ((int)blockIdx.y * lanes + (int)threadIdx.x % lanes) * pack;
    const long long function = (long long)inputs * outputs;  // from one to the next

    T sum[per][pack] = {};
    for (int start = 0; start < inputs; start += width) {
        fill_tile(tile, splines, x, scale, row, height, rows, start, width, inputs, base);
        __syncthreads();
        const int stop = o < outputs ? min(width, inputs - start) : 0;
        for (int i = 0; i < stop; ++i) {
            const T *column = weight + (long long)(start + i) * outputs + o;
#pragma unroll
            for (int p = 0; p < per; ++p) {
                const Point<T, degree> at = tile[(slot + p * slots) * width + i];
                const T *from = column + at.first * function;
#pragma unroll
                for (int m = 0; m <= degree + 1; ++m, from += function) {
                    if (m == degree + 1) {
                        if (!base) break;
                        from = column + size * function;
                    }
                    T w[pack];
                    unpack<T, pack>(load<pack * sizeof(T)>(from, 0), w);
#pragma unroll
                    for (int q = 0; q < pack; ++q) sum[p][q] += at.value[m] * w[q];
                }
            }
        }
        __syncthreads();  // before the next tile overwrites this one
    }
#pragma unroll
    for (int p = 0; p < per; ++p) {
        const long long r = row + slot + p * slots;
        if (o < outputs && r < rows)
            store<pack * sizeof(T)>(out + r * outputs + o, 0, packed<T, pack>(sum[p]));
    }
}
// endregion
