// Operation: the coefficients' gradients, from the sums of tiles of rational/backward.cu.
// Launch:    any 1-D grid; blocks of whole warps, at most 256 threads; a block takes one
//            coefficient after another. The sums depend on the block, not on the grid.
// Bytes:     (m + 1 + n) sizeof(T) a tile read: 1/1000 of what the backward kernel moves.
//
//   template <T, m, n>    T float or double
//   partial               (tiles, groups, m + 1 + n)
//   numerator_gradient    (groups, m + 1), or (1, m + 1) if shared is not 0: then the
//                         groups are summed too; every entry written
//   denominator_gradient  (groups, n), every entry written

// region: kernel
template <typename T, int m = 5, int n = 4>
__global__ void __launch_bounds__(256)
    rational_reduce(const T *__restrict__ partial, T *__restrict__ numerator_gradient,
                    T *__restrict__ denominator_gradient, long long tiles, int groups,
                    int shared) {
    constexpr int sums = m + 1 + n;
    __shared__ double warp_sums[8];
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const long long of_a = (shared ? 1LL : groups) * (m + 1);
    const long long outputs = of_a + (long long)groups * n;

    for (long long o = blockIdx.x; o < outputs; o += gridDim.x) {
        // Where this coefficient's sums lie: `count` of them, `step` entries apart.
        const bool is_a = o < of_a;
        const long long at = is_a ? o : o - of_a;
        const int own = is_a ? m + 1 : (n > 0 ? n : 1);
        const T *from = partial + at / own * sums + (is_a ? 0 : m + 1) + at % own;
        const bool all_groups = is_a && shared;
        const long long count = all_groups ? tiles * groups : tiles;
        const long long step = all_groups ? sums : (long long)groups * sums;

        // region: tree
        // In double, where adding some thousand floats loses nothing; and in one order:
        // a thread's own tiles from first to last, then lanes, then warps.
        double sum = 0.0;
        for (long long t = threadIdx.x; t < count; t += blockDim.x)
            sum += (double)from[t * step];
        for (int apart = 16; apart > 0; apart /= 2)
            sum += __shfl_xor_sync(0xffffffffu, sum, apart);
        if (lane == 0) warp_sums[warp] = sum;
        __syncthreads();
        // endregion

        if (threadIdx.x == 0) {
            double total = 0.0;
            for (int w = 0; w < (int)blockDim.x / 32; ++w) total += warp_sums[w];
            (is_a ? numerator_gradient : denominator_gradient)[at] = (T)total;
        }
        __syncthreads();  // before the next coefficient writes warp_sums
    }
}
// endregion
