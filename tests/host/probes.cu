// Operation: small kernels, right and wrong, that show what the emulation notices.
// Launch:    see each kernel.
// Bytes:     not measured; these never run on a GPU.

// Sum of a block of up to 1024 threads (a multiple of 32): shuffles, then shared memory.
template <typename T>
__global__ void block_sum(const T *x, T *out) {
    __shared__ T partial[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    T sum = x[blockIdx.x * blockDim.x + threadIdx.x];
    for (int bits = 16; bits > 0; bits /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bits);
    if (lane == 0) partial[warp] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        T total = T(0);
        for (int w = 0; w < (int)blockDim.x / 32; ++w) total += partial[w];
        out[blockIdx.x] = total;
    }
}

// Reverses each block through shared memory.
__global__ void reverse(const float *x, float *out) {
    __shared__ float tile[1024];
    const int start = blockIdx.x * blockDim.x, i = threadIdx.x;
    tile[i] = x[start + i];
    __syncthreads();
    out[start + i] = tile[blockDim.x - 1 - i];
}

// The same without its barrier: a race.
__global__ void reverse_race(const float *x, float *out) {
    __shared__ float tile[1024];
    const int start = blockIdx.x * blockDim.x, i = threadIdx.x;
    tile[i] = x[start + i];
    out[start + i] = tile[blockDim.x - 1 - i];
}

// out = inclusive prefix sum of each warp (up), plus lane 0's value (sync), minus the next
// lane's x (down).
__global__ void warp_walk(const float *x, float *out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    float sum = x[i];
    for (int by = 1; by < 32; by *= 2) {
        const float other = __shfl_up_sync(0xffffffffu, sum, by);
        if (lane >= by) sum += other;
    }
    __syncwarp();
    out[i] = sum + __shfl_sync(0xffffffffu, x[i], 0) -
             __shfl_down_sync(0xffffffffu, x[i], 1);
}

// Reads a lane that the mask leaves out: undefined.
__global__ void absent_lane(float *out) {
    float got = 0.0f;
    if (threadIdx.x < 16) got = __shfl_sync(0x0000ffffu, 1.0f, 20);
    out[threadIdx.x] = got;
}

// Half a warp shuffles with a full mask: hangs on hardware.
__global__ void missing_lanes(float *out) {
    if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
}

// Thread 0 leaves before the barrier.
__global__ void early_exit(float *out) {
    if (threadIdx.x == 0) return;
    __syncthreads();
    out[threadIdx.x] = 1.0f;
}

// Even and odd threads wait at different barriers.
__global__ void split_barrier(float *out) {
    if (threadIdx.x % 2 == 0) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    out[threadIdx.x] = 1.0f;
}

// Every index, as written by a three-dimensional grid of three-dimensional blocks.
__global__ void indices(int *out) {
    const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int thread =
        (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const int size = blockDim.x * blockDim.y * blockDim.z;
    out[block * size + thread] = block * 1000 + thread;
}
