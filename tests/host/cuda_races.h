// One OS thread per CUDA thread, so that ThreadSanitizer sees what a .cu file shares.
//
// Barriers and shuffles synchronize exactly the threads that CUDA says they do; all else
// runs at once, and two accesses that nothing orders are reported with both source lines.
// Slow (a launch starts grid * block threads), so for small sizes. One block at a time:
// blocks that write the same address show in the fibers of cuda_host.h, as an order.
#pragma once

#include <barrier>
#include <cstdio>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "cuda_words.h"

#define __shared__ static
#define __syncthreads() host::block_barrier->arrive_and_wait()
#define __syncwarp(...) host::warp().meet.arrive_and_wait()
#define __shfl_sync(mask, v, lane) host::shuffle((v), (lane))
#define __shfl_xor_sync(mask, v, bits) host::shuffle((v), host::lane() ^ (bits))
#define __shfl_up_sync(mask, v, by) \
    host::shuffle((v), host::clamped(host::lane() - (int)(by)))
#define __shfl_down_sync(mask, v, by) \
    host::shuffle((v), host::clamped(host::lane() + (int)(by)))
#define __ballot_sync(mask, yes) host::vote(yes)
#define __any_sync(mask, yes) (host::vote(yes) != 0)
#define __all_sync(mask, yes) (host::vote(!(yes)) == 0)
#define warpSize (host::warp_size)
#define threadIdx (host::thread_index)
#define blockIdx (host::block_index)
#define blockDim (host::block_size)
#define gridDim (host::grid_size)

namespace host {

constexpr int warp_size = 32;

struct Warp {
    explicit Warp(int lanes) : meet(lanes) {}
    std::barrier<> meet;
    uint64_t slots[warp_size] = {};
};

inline thread_local dim3 thread_index;
inline thread_local int linear;
inline dim3 block_index, block_size, grid_size;
inline std::unique_ptr<std::barrier<>> block_barrier;
inline std::vector<std::unique_ptr<Warp>> warps;

inline int lane() { return linear % warp_size; }
inline Warp &warp() { return *warps[linear / warp_size]; }
inline int clamped(int source) {
    return source < 0 || source >= warp_size ? lane() : source;
}

// Every lane of the warp takes part: this mode is for kernels that the fibers accepted.
template <typename T>
T shuffle(T value, int source) {
    Warp &mine = warp();
    std::memcpy(mine.slots + lane(), &value, sizeof value);
    mine.meet.arrive_and_wait();
    T result;
    std::memcpy(&result, mine.slots + source, sizeof result);
    mine.meet.arrive_and_wait();
    return result;
}

inline unsigned vote(bool yes) {
    unsigned result = 0;
    for (int q = 0; q < warp_size; ++q) result |= shuffle(unsigned(yes), q) << q;
    return result;
}

template <typename... A>
void launch(void (*kernel)(A...), dim3 grid, dim3 block, std::type_identity_t<A>... values) {
    grid_size = grid;
    block_size = block;
    const int count = int(block.x * block.y * block.z);
    for (unsigned b = 0; b < grid.x * grid.y * grid.z; ++b) {
        block_index = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
        block_barrier = std::make_unique<std::barrier<>>(count);
        warps.clear();
        for (int start = 0; start < count; start += warp_size)
            warps.push_back(std::make_unique<Warp>(min(warp_size, count - start)));
        std::vector<std::thread> threads;
        for (int i = 0; i < count; ++i)
            threads.emplace_back([=] {
                linear = i;
                thread_index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
                kernel(values...);
            });
        for (std::thread &thread : threads) thread.join();
    }
}

}  // namespace host

template <typename T>
T atomicAdd(T *address, std::type_identity_t<T> value) {
    T before, after;
    __atomic_load(address, &before, __ATOMIC_RELAXED);
    do {
        after = before + value;
    } while (!__atomic_compare_exchange(address, &before, &after, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
    return before;
}
