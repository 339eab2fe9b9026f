// Operation: gx = g dF/dx, and for each tile (tile_rows rows of one group) the sums of the
//            coefficients' gradients over its elements; rational/reduce.cu adds the tiles.
//            The third step of the lesson: no atomics, so the same bits every time.
// Launch:    any 1-D grid; blocks of whole warps, at most 256 threads; a block takes one
//            tile after another. The sums depend on tile_rows and on the block, not on
//            the grid.
// Bytes:     3 sizeof(T) an element, x and g read and gx written; m + 1 + n sums a tile.
// Checked:   rational_backward<float>, rational_backward<double>,
// Checked:   rational_backward<bfloat16>, rational_backward<float16>,
// Checked:   rational_backward<bfloat16, 5, 4, 'B'>, rational_backward<float, 5, 4, 'A', 1>
//
//   template <T, m, n, form, pack>   as in rational/forward.cu; pack also holds for g, gx
//   x, g, gx     (rows, groups * width)
//   numerator    (1 or groups, m + 1), numerator_stride 0 or m + 1
//   denominator  (groups, n)
//   partial      (tiles, groups, m + 1 + n), every entry written; tiles = rows / tile_rows,
//                rounded up
//   tile_rows    any; tile_rows * groups * width < 2^31

#include "common/rational.cuh"

// region: kernel
template <typename T, int m = 5, int n = 4, char form = 'A', int pack = 16 / sizeof(T)>
__global__ void __launch_bounds__(256, resident<T>)
    rational_backward(const T *__restrict__ x, const T *__restrict__ g,
                      const Arithmetic<T> *__restrict__ numerator,
                      const Arithmetic<T> *__restrict__ denominator, T *__restrict__ gx,
                      Arithmetic<T> *__restrict__ partial, long long rows, int groups,
                      int width, int tile_rows, int numerator_stride) {
    using A = Arithmetic<T>;
    constexpr int bytes = pack * sizeof(T), sums = m + 1 + n;
    __shared__ A warp_sums[8][sums];
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const long long row_length = (long long)groups * width;
    const long long tiles = (rows + tile_rows - 1) / tile_rows;

    // Neighboring blocks take the groups of the same rows: their memory is one stretch.
    for (long long i = blockIdx.x; i < tiles * groups; i += gridDim.x) {
        const long long row = i / groups * tile_rows;
        const int group = (int)(i % groups);
        const long long row_a = (long long)group * numerator_stride;
        const long long row_b = (long long)group * n;
        const Coefficients<A, m, n, form> c(numerator + row_a, denominator + row_b);
        const long long first = row * row_length + (long long)group * width;
        const int height = (int)min((long long)tile_rows, rows - row);

        // region: element
        // All of a thread's elements, of every row, go to the same sums in registers.
        A sum_a[m + 1] = {}, sum_b[n + 1] = {};
        Walk walk = Walk::over<T, pack>(first, height, width, row_length);
        for (; walk.left > 0; walk.next()) {
            A point[pack], gradient[pack];
            unpack<T, pack>(load<bytes>(x, walk.at), point);
            unpack<T, pack>(load<bytes>(g, walk.at), gradient);
#pragma unroll
            for (int k = 0; k < pack; ++k)
                gradient[k] = add_element<T>(c, point[k], gradient[k], sum_a, sum_b);
            store<bytes>(gx, walk.at, packed<T, pack>(gradient));
        }
        // endregion

        // region: tree
        // Once a tile, not once an element: lanes, then warps.
#pragma unroll
        for (int k = 0; k < sums; ++k) {
            const A sum = warp_sum(k <= m ? sum_a[k] : sum_b[k - m]);
            if (lane == 0) warp_sums[warp][k] = sum;
        }
        __syncthreads();
        // endregion

        // region: partials
        // Each tile has a place of its own, so nobody waits and no order matters.
        for (int k = (int)threadIdx.x; k < sums; k += (int)blockDim.x) {
            A sum = A(0);
            for (int w = 0; w < (int)blockDim.x / 32; ++w) sum += warp_sums[w][k];
            if (k > m) sum = negated<form>(sum, denominator[row_b + k - m - 1]);
            partial[i * sums + k] = sum;
        }
        __syncthreads();  // before the next tile writes warp_sums
        // endregion
    }
}
// endregion
