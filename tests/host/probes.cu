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

// One sum of all threads, by atomics: on a GPU its last digits depend on the run.
template <typename T>
__global__ void atomic_sum(const T *x, T *out) {
    atomicAdd(out, x[blockIdx.x * blockDim.x + threadIdx.x]);
}

// Copies four floats at once; an address that is no multiple of 16 is an error.
__global__ void copy_vectors(const float *x, float *out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const float4 v = reinterpret_cast<const float4 *>(x)[i];
    reinterpret_cast<float4 *>(out)[i] = make_float4(v.x, v.y, v.z, v.w);
}

// The same in two steps, so that only the store can be misplaced.
__global__ void store_vectors(const float *x, float *out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const uint4 v = make_uint4(__float_as_uint(x[4 * i]), __float_as_uint(x[4 * i + 1]),
                               __float_as_uint(x[4 * i + 2]), __float_as_uint(x[4 * i + 3]));
    *reinterpret_cast<uint4 *>(out + 4 * i) = v;
}

// Thread 32 writes past a shared array.
__global__ void past_shared(float *out) {
    __shared__ float tile[32];
    tile[threadIdx.x] = 1.0f;
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x % 32];
}

// out = how many lanes of the warp hold x > 0, negative if all do, 99 if none does.
__global__ void votes(const float *x, int *out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const bool yes = x[i] > 0.0f;
    const int count = __popc(__ballot_sync(0xffffffffu, yes));
    const bool any = __any_sync(0xffffffffu, yes), all = __all_sync(0xffffffffu, yes);
    out[i] = all ? -count : any ? count : 99;
}
