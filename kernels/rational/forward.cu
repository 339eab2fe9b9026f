// Operation: y[r, c] = P(x[r, c]) / Q(x[r, c]) with the coefficients of column c's group.
// Launch:    any 1-D grid of blocks of at most 256 threads; a block takes one tile
//            (tile_rows rows of one group) after another.
// Bytes:     2 sizeof(T) an element, x read and y written; coefficients stay in registers.
// Checked:   rational_forward<float>, rational_forward<double>, rational_forward<bfloat16>,
// Checked:   rational_forward<float16>, rational_forward<bfloat16, 5, 4, 'B'>,
// Checked:   rational_forward<float, 5, 4, 'A', 1>
//
//   template <T, m, n, form, pack>
//     T      float, double, bfloat16 or float16; computes in float, or double for double
//     m, n   degrees of numerator and denominator (common/rational.cuh has the formulas)
//     form   'A' or 'B'
//     pack   elements of one access: the width is a multiple of it, and the addresses of
//            x and y are multiples of pack * sizeof(T); 1 always works
//   x, y         (rows, groups * width)
//   numerator    (1 or groups, m + 1), numerator_stride 0 or m + 1 between groups
//   denominator  (groups, n)
//   tile_rows    any; tile_rows * groups * width < 2^31, for offsets in a tile are ints

#include "common/rational.cuh"

// region: kernel
template <typename T, int m = 5, int n = 4, char form = 'A', int pack = 16 / sizeof(T)>
__global__ void __launch_bounds__(256, resident<T>)
    rational_forward(const T *__restrict__ x, const Arithmetic<T> *__restrict__ numerator,
                     const Arithmetic<T> *__restrict__ denominator, T *__restrict__ y,
                     long long rows, int groups, int width, int tile_rows,
                     int numerator_stride) {
    using A = Arithmetic<T>;
    constexpr int bytes = pack * sizeof(T);
    const long long row_length = (long long)groups * width;
    const long long tiles = (rows + tile_rows - 1) / tile_rows;

    // Neighboring blocks take the groups of the same rows: their memory is one stretch.
    for (long long i = blockIdx.x; i < tiles * groups; i += gridDim.x) {
        const long long row = i / groups * tile_rows;
        const int group = (int)(i % groups);
        const Coefficients<A, m, n, form> c(numerator + (long long)group * numerator_stride,
                                            denominator + (long long)group * n);
        const long long first = row * row_length + (long long)group * width;
        const int height = (int)min((long long)tile_rows, rows - row);

        Walk walk = Walk::over<T, pack>(first, height, width, row_length);
        for (; walk.left > 0; walk.next()) {
            A value[pack];
            unpack<T, pack>(load<bytes>(x, walk.at), value);
#pragma unroll
            for (int k = 0; k < pack; ++k) value[k] = rational<T>(c, value[k]);
            store<bytes>(y, walk.at, packed<T, pack>(value));
        }
    }
}
// endregion
