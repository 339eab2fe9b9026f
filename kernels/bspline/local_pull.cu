// Operation: out[r, i] = sum over o, f of g[r, o] Phi_f(x[r, i]) C[f, i, o], visiting only
//            the degree + 1 functions that are active at a point, and SiLU if asked for.
// Launch:    grid ceil(rows / (slots per)), 1-D blocks of slots * lanes threads, a
//            multiple of 32; lanes a power of two up to 32, slots * per at most 512.
// Checked:   spline_local_pull<float>, spline_local_pull<double>
// Checked:   spline_local_pull<double, 8>
// Bytes:     2 sizeof(T) a point from far, the weights once for each block. Near, as in
//            local_sum.cu: degree + 1 + base weights and one of g for each input and
//            output, from the first-level cache.
//
// As in local_sum.cu a block owns slots * per rows and neighboring threads read neighboring
// outputs. Here outputs are what is summed: `lanes` threads share a row, each adds every
// lanes-th pack of outputs, and log2(lanes) exchanges add the threads' sums in a fixed
// tree: the same bits for any number of rows a block.
//
//   template <T, degree, derivative, pack, per>   as in local_sum.cu; one row a thread
//              above degree 4, where more would not fit the registers
//   x          (rows, inputs)
//   knots      double, (knot_rows, K + degree + 1), knot_rows = 1 or inputs
//   weight     (K + base, inputs, outputs), K > degree
//   g          (rows, outputs)
//   out        (rows, inputs), every entry written
#include "bspline/active.cuh"
#include "common/vector.cuh"

// region: kernel
template <typename T, int degree = 3, int derivative = 0, int pack = 16 / sizeof(T),
          int per = degree <= 4 ? 16 / sizeof(T) : 1>
__global__ void spline_local_pull(const T *__restrict__ x,
                                  const double *__restrict__ knots,
                                  const T *__restrict__ weight, const T *__restrict__ g,
                                  T *__restrict__ out, long long rows, int inputs,
                                  int outputs, int knot_rows, int size, int base,
                                  int lanes) {
    constexpr int points = 512, bytes = pack * sizeof(T);
    __shared__ Point<T, degree> tile[points];
    const Splines<T, degree, derivative> splines(knots, knot_rows, size);

    const int slots = (int)blockDim.x / lanes, slot = (int)threadIdx.x / lanes;
    const int lane = (int)threadIdx.x % lanes;
    const int height = slots * per, width = points / height;
    const long long row = (long long)blockIdx.x * height;
    const long long function = (long long)inputs * outputs;  // from one to the next
    const T *none = nullptr;

    for (int start = 0; start < inputs; start += width) {
        fill_tile(tile, splines, x, none, row, height, rows, start, width, inputs, base);
        __syncthreads();
        const int stop = min(width, inputs - start);
        for (int i = 0; i < stop; ++i) {
            T sum[per] = {};
            for (int o = lane * pack; o < outputs; o += lanes * pack) {
                const T *column = weight + (long long)(start + i) * outputs + o;
#pragma unroll
                for (int p = 0; p < per; ++p) {
                    const Point<T, degree> at = tile[(slot + p * slots) * width + i];
                    const T *from = column + at.first * function;
                    T curve[pack] = {};
#pragma unroll
                    for (int m = 0; m <= degree + 1; ++m, from += function) {
                        if (m == degree + 1) {
                            if (!base) break;
                            from = column + size * function;
                        }
                        T w[pack];
                        unpack<T, pack>(load<bytes>(from, 0), w);
#pragma unroll
                        for (int q = 0; q < pack; ++q) curve[q] += at.value[m] * w[q];
                    }
                    // Rows past the end read the last one's g, and are not written.
                    const long long r = min(row + slot + p * slots, rows - 1);
                    T up[pack];
                    unpack<T, pack>(load<bytes>(g + r * outputs + o, 0), up);
#pragma unroll
                    for (int q = 0; q < pack; ++q) sum[p] += up[q] * curve[q];
                }
            }
#pragma unroll
            for (int p = 0; p < per; ++p) {
                for (int apart = lanes / 2; apart > 0; apart /= 2)
                    sum[p] += __shfl_xor_sync(0xffffffffu, sum[p], apart);
                const long long r = row + slot + p * slots;
                if (lane == 0 && r < rows) out[r * inputs + start + i] = sum[p];
            }
        }
        __syncthreads();  // before the next tile overwrites this one
    }
}
// endregion
