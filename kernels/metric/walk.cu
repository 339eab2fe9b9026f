// Operation: S[l + 1, r] = C_b + C_W / n sum_j f(sqrt(S[l, r]) xi_j)^2, xi_j ~ N(0, 1):
//            the metric of random networks of width n, layer after layer, weight-free.
// Launch:    any 1-D grid of blocks of any whole number of warps; `lanes` threads take
//            one network after another.
// Bytes:     sizeof(T) written a network and layer; nothing is read. Bound by arithmetic:
//            n random numbers a network and layer.
// Checked:   metric_walk<float, Relu>, metric_walk<float, Tanh>, metric_walk<float, Gelu>,
// Checked:   metric_walk<double, Relu>, metric_walk<double, Tanh>
//
//   template <T, Activation>
//     T            float or double
//     Activation   Linear, Relu, Tanh, Gelu or Silu
//   metric       (depth, networks), the first layer S[0, r] = start
//   lanes        1, 2, 4, 8, 16 or 32: four neurons a thread leave none without work
//   seed         key of the random numbers; the counter is (j / 4, layer, network, 0), so
//                results depend on neither grid nor block

#include "common/philox.cuh"

// region: activations
struct Linear {
    template <typename T>
    static __device__ __forceinline__ T of(T z) { return z; }
};
struct Relu {
    // Written so that NaN, which is below nothing, stays NaN.
    template <typename T>
    static __device__ __forceinline__ T of(T z) { return z < T(0) ? T(0) : z; }
};
struct Tanh {
    template <typename T>
    static __device__ __forceinline__ T of(T z) { return tanh(z); }
};
struct Gelu {
    template <typename T>
    static __device__ __forceinline__ T of(T z) {
        return T(0.5) * z * erfc(z * T(-0.70710678118654752440));
    }
};
struct Silu {
    template <typename T>
    static __device__ __forceinline__ T of(T z) { return z / (T(1) + exp(-z)); }
};
// endregion

// region: kernel
template <typename T, typename Activation>
__global__ void metric_walk(T *__restrict__ metric, T start, T bias_variance,
                            T weight_variance, int width, int depth, int networks,
                            int lanes, unsigned long long seed) {
    const int lane = threadIdx.x % lanes, side = threadIdx.x % warpSize / lanes;
    const int each = warpSize / lanes, warps = blockDim.x / warpSize;
    const long long warp = (long long)blockIdx.x * warps + threadIdx.x / warpSize;
    const unsigned key0 = (unsigned)seed, key1 = (unsigned)(seed >> 32);

    for (long long first = warp * each; first < networks;
         first += (long long)gridDim.x * warps * each) {
        // A warp stays together: behind the last network it repeats it, silently.
        const bool writes = lane == 0 && first + side < networks;
        const long long r = min(first + side, (long long)networks - 1);
        T S = start;
        for (int layer = 0; layer < depth; ++layer) {
            if (writes) metric[(long long)layer * networks + r] = S;
            if (layer == depth - 1) break;
            const T scale = sqrt(S);
            T sum = T(0);
            for (int j = 4 * lane; j < width; j += 4 * lanes) {
                const Counter at{{(unsigned)j / 4, (unsigned)layer, (unsigned)r, 0u}};
                T z[4];
                normals<T>(philox(at, key0, key1), z);
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const T y = Activation::of(scale * z[k]);
                    if (j + k < width) sum += y * y;
                }
            }
            // Each exchange pairs threads of one network; all get the same sum.
            for (int bit = lanes / 2; bit > 0; bit /= 2) {
                sum += __shfl_xor_sync(0xffffffffu, sum, bit);
            }
            S = bias_variance + weight_variance * sum / T(width);
        }
    }
}
// endregion
