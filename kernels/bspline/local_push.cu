// Operation: out[z, f, i, o] = sum over the rows r of part z of s[r, i] Phi_f(x[r, i])
//            g[r, o], the gradient of the weights, visiting only the degree + 1 functions
//            that are active at a point, and SiLU if asked for. The parts are then added.
// Launch:    grid (ceil(inputs / slots), ceil(outputs / (lanes pack)), parts), 1-D blocks
//            of slots * lanes threads, a multiple of 32; lanes a power of two up to 32;
//            K * threads * pack * sizeof(T) at most 32768, slots at most 128.
// Checked:   spline_local_push<float>, spline_local_push<double>
// Checked:   spline_local_push<double, 8>
// Bytes:     x once for each output tile and g once for each input tile from far, out
//            written once. Near: degree + 1 reads and as many writes of shared memory for
//            each row, input and output.
//
// Which sums a row adds to depends on x, so they cannot stay in registers. Each thread
// owns one input and `pack` outputs and keeps its K * pack sums in a column of shared
// memory that no other thread touches: no atomics, and rows are added in order, so that
// the same launch gives the same bits. A column is as wide as a thread's access and the
// next thread's lies beside it: no two banks collide, whatever spans the rows lie on.
//
//   template <T, degree, derivative, pack>   as in local_sum.cu
//   x, scale   (rows, inputs); scale may be null for 1
//   knots      double, (knot_rows, K + degree + 1), knot_rows = 1 or inputs
//   g          (rows, outputs)
//   out        (parts, K + base, inputs, outputs), every entry written; K > degree
//   length     rows of a part; the last parts may have fewer, or none
#include "bspline/active.cuh"
#include "common/vector.cuh"

// region: kernel
template <typename T, int degree = 3, int derivative = 0, int pack = 16 / sizeof(T)>
__global__ void spline_local_push(const T *__restrict__ x, const T *__restrict__ scale,
                                  const double *__restrict__ knots,
                                  const T *__restrict__ g, T *__restrict__ out,
                                  long long rows, long long length, int inputs,
                                  int outputs, int knot_rows, int size, int base,
                                  int lanes) {
    constexpr int points = 128, bytes = pack * sizeof(T);
    __shared__ Point<T, degree> tile[points];
    __shared__ Words<bytes> sums[32768 / bytes];
    const Splines<T, degree, derivative> splines(knots, knot_rows, size);

    const int threads = (int)blockDim.x, slots = threads / lanes;
    const int slot = (int)threadIdx.x / lanes, height = points / slots;
    const int input = (int)blockIdx.x * slots;
    const int o = ((int)blockIdx.y * lanes + (int)threadIdx.x % lanes) * pack;
    const bool mine = input + slot < inputs && o < outputs;
    const long long begin = blockIdx.z * length, end = min(begin + length, rows);
    Words<bytes> *column = sums + threadIdx.x;  // of function k: column[k * threads]

    T of_base[pack] = {};
    const Words<bytes> zeros = packed<T, pack>(of_base);
    for (int k = 0; k < size; ++k) store<bytes>(column + k * threads, 0, zeros);

    for (long long row = begin; row < end; row += height) {
        fill_tile(tile, splines, x, scale, row, height, end, input, slots, inputs, base);
        __syncthreads();
        const int stop = mine ? (int)min((long long)height, end - row) : 0;
        for (int r = 0; r < stop; ++r) {
            const Point<T, degree> at = tile[r * slots + slot];
            T up[pack];
            unpack<T, pack>(load<bytes>(g + (row + r) * outputs + o, 0), up);
            if (at.value[0] != at.value[0]) {  // NaN reaches every sum, not only d + 1
                for (int k = 0; k < size; ++k) {
                    T sum[pack];
                    unpack<T, pack>(load<bytes>(column + k * threads, 0), sum);
#pragma unroll
                    for (int q = 0; q < pack; ++q) sum[q] += at.value[0] * up[q];
                    store<bytes>(column + k * threads, 0, packed<T, pack>(sum));
                }
            } else {
                T sum[degree + 1][pack];
#pragma unroll
                for (int m = 0; m <= degree; ++m)  // all reads before the first write
                    unpack<T, pack>(load<bytes>(column + (at.first + m) * threads, 0),
                                    sum[m]);
#pragma unroll
                for (int m = 0; m <= degree; ++m) {
#pragma unroll
                    for (int q = 0; q < pack; ++q) sum[m][q] += at.value[m] * up[q];
                    store<bytes>(column + (at.first + m) * threads, 0,
                                 packed<T, pack>(sum[m]));
                }
            }
#pragma unroll
            for (int q = 0; q < pack; ++q) of_base[q] += at.value[degree + 1] * up[q];
        }
        __syncthreads();  // before the next tile overwrites this one
    }

    if (!mine) return;
    const long long function = (long long)inputs * outputs;  // from one to the next
    T *to = out + (long long)blockIdx.z * (size + base) * function +
            (long long)(input + slot) * outputs + o;
    for (int k = 0; k < size; ++k, to += function)
        store<bytes>(to, 0, load<bytes>(column + k * threads, 0));
    if (base) store<bytes>(to, 0, packed<T, pack>(of_base));
}
// endregion
