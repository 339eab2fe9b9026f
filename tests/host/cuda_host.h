// CUDA's execution model on a CPU, so that g++ runs the unmodified .cu files.
//
// One fiber per CUDA thread, one block at a time, all on one OS thread: a fiber runs until
// it waits (barrier, shuffle) or ends, then the next one in the chosen order runs. A result
// that depends on the order of threads or blocks is a race, so tests run several orders.
// Shared memory starts each block as NaN; what hardware leaves undefined (threads that
// missed a barrier, two barriers met as one, lanes absent from a shuffle, an address that is
// no multiple of the vector's size, an index past an array's end) is an error here.
//
// Not here: dynamic shared memory, cooperative groups, shuffles narrower than a warp.
#pragma once

#include <link.h>
#include <ucontext.h>

#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cuda_words.h"

// Thread-local, because that puts every shared array of the library, those of templates
// too, into one segment that can be found and filled.
#define __shared__ static thread_local
#define __syncthreads() host::wait_for_block(__LINE__)
#define __syncwarp(...) host::wait_for_warp(host::mask_of(__VA_ARGS__), __LINE__)
#define __shfl_sync(mask, v, lane) host::shuffle((mask), (v), (lane), __LINE__)
#define __shfl_xor_sync(mask, v, bits) \
    host::shuffle((mask), (v), host::lane() ^ (bits), __LINE__)
#define __shfl_up_sync(mask, v, by) \
    host::shuffle((mask), (v), host::clamped(host::lane() - (int)(by)), __LINE__)
#define __shfl_down_sync(mask, v, by) \
    host::shuffle((mask), (v), host::clamped(host::lane() + (int)(by)), __LINE__)
#define __ballot_sync(mask, yes) host::vote((mask), (yes), __LINE__)
#define __any_sync(mask, yes) (host::vote((mask), (yes), __LINE__) != 0)
#define __all_sync(mask, yes) (host::vote((mask), !(yes), __LINE__) == 0)
#define warpSize (host::warp_size)
#define threadIdx (host::current->index)
#define blockIdx (host::block_index)
#define blockDim (host::block_size)
#define gridDim (host::grid_size)

namespace host {

constexpr int warp_size = 32;
constexpr size_t stack_bytes = 64 * 1024;

enum class State { ready, at_barrier, at_warp, done, failed };

struct Thread {
    ucontext_t context;
    dim3 index;
    int linear;
    State state;
    int line;           // where it waits
    unsigned mask;      // with which lanes, at_warp
    unsigned meetings;  // at_warp so far; their parity picks the exchange buffer
};

inline dim3 block_index, block_size, grid_size;
inline Thread *current;
inline ucontext_t scheduler;
inline void (*body)(void *);
inline void *body_data;
inline uint64_t exchange[2][1024];
inline const char *fault;  // what a thread in the state `failed` did

inline int lane() { return current->linear % warp_size; }

// A shuffle past the warp's edge returns the lane's own value.
inline int clamped(int source) {
    return source < 0 || source >= warp_size ? lane() : source;
}

inline unsigned mask_of(unsigned mask = 0xffffffffu) { return mask; }

inline void wait(State state, int line) {
    current->state = state;
    current->line = line;
    swapcontext(&current->context, &scheduler);
}

inline void wait_for_block(int line) { wait(State::at_barrier, line); }

inline void wait_for_warp(unsigned mask, int line) {
    current->mask = mask;
    ++current->meetings;
    wait(State::at_warp, line);
}

// Two buffers in turn: a lane can be one shuffle ahead of the others, never two. A source
// outside the mask, or past the block's end, gives NaN: all bits set.
template <typename T>
T shuffle(unsigned mask, T value, int source, int line) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "shuffles move at most 8 bytes");
    uint64_t *slots =
        exchange[current->meetings % 2] + current->linear / warp_size * warp_size;
    std::memcpy(slots + lane(), &value, sizeof value);
    wait_for_warp(mask, line);
    const uint64_t nothing = ~uint64_t(0);
    const bool takes_part = source >= 0 && source < warp_size && (mask >> source & 1u);
    T result;
    std::memcpy(&result, takes_part ? slots + source : &nothing, sizeof result);
    return result;
}

inline unsigned vote(unsigned mask, bool yes, int line) {
    const uint64_t *slots = exchange[current->meetings % 2];
    const int start = current->linear / warp_size * warp_size;
    shuffle(mask, uint64_t(yes), lane(), line);
    unsigned result = 0;
    for (int q = 0; q < warp_size; ++q)
        if (mask >> q & 1u) result |= unsigned(slots[start + q] & 1u) << q;
    return result;
}

// Ends the current thread for good, and with it the launch.
inline void fail(const char *what, unsigned line) {
    fault = what;
    wait(State::failed, int(line));
}

// The segment of this library that holds its shared arrays, filled with NaN.
inline thread_local char segment_mark;

inline int fill_if_ours(dl_phdr_info *info, size_t, void *) {
    char *start = static_cast<char *>(info->dlpi_tls_data);
    for (int i = 0; start != nullptr && i < info->dlpi_phnum; ++i) {
        const auto &header = info->dlpi_phdr[i];
        if (header.p_type == PT_TLS && &segment_mark >= start &&
            &segment_mark < start + header.p_memsz) {
            std::memset(start, 0xff, header.p_memsz);
            return 1;
        }
    }
    return 0;
}

inline void poison_shared_memory() {
    segment_mark = 0;  // makes the loader allocate the segment
    dl_iterate_phdr(fill_if_ours, nullptr);
}

inline void thread_main() {
    body(body_data);
    current->state = State::done;
    swapcontext(&current->context, &scheduler);
}

// 0 forward, 1 backward, else a shuffle with that seed.
inline std::vector<int> ordering(int count, int order) {
    std::vector<int> result(count);
    std::iota(result.begin(), result.end(), 0);
    if (order == 1) std::reverse(result.begin(), result.end());
    if (order > 1) std::shuffle(result.begin(), result.end(), std::mt19937(order));
    return result;
}

using Threads = std::vector<Thread>;

// Frees every warp whose lanes have all come to one meeting; true if there was any.
inline bool release_warps(Threads &threads) {
    bool released = false;
    const int count = int(threads.size());
    for (int start = 0; start < count; start += warp_size) {
        const int size = std::min(warp_size, count - start);
        for (int i = 0; i < size; ++i) {
            const Thread &first = threads[start + i];
            if (first.state != State::at_warp) continue;
            bool all = first.mask >> i & 1u;
            for (int q = 0; q < size && all; ++q) {
                const Thread &other = threads[start + q];
                if (!(first.mask >> q & 1u)) continue;
                all = other.state == State::at_warp && other.mask == first.mask &&
                      other.line == first.line;
            }
            if (!all) continue;
            const unsigned mask = first.mask;
            for (int q = 0; q < size; ++q)
                if (mask >> q & 1u) threads[start + q].state = State::ready;
            released = true;
        }
    }
    return released;
}

inline std::string place(const Thread &thread) {
    char text[160];
    std::snprintf(text, sizeof text, "block (%u, %u, %u), thread (%u, %u, %u), line %d",
                  block_index.x, block_index.y, block_index.z, thread.index.x,
                  thread.index.y, thread.index.z, thread.line);
    return text;
}

// Frees the block's barrier once all threads are there; else says what went wrong, for
// nothing can run any more when this is called.
inline std::string release_barrier(Threads &threads) {
    const Thread *waiting = nullptr;
    for (const Thread &thread : threads) {
        if (thread.state == State::at_warp)
            return "a shuffle or __syncwarp waits for lanes that never come: " +
                   place(thread);
        if (thread.state == State::at_barrier && waiting == nullptr) waiting = &thread;
    }
    for (const Thread &thread : threads) {
        if (thread.state == State::done)
            return "a thread ended before a barrier that others wait at: " +
                   place(*waiting);
        if (thread.line != waiting->line)
            return "two barriers met as one: " + place(*waiting) + " and " +
                   place(thread);
    }
    for (Thread &thread : threads) thread.state = State::ready;
    return "";
}

inline std::string run_block(Threads &threads, char *stacks, int order) {
    const std::vector<int> sequence = ordering(int(threads.size()), order);
    poison_shared_memory();
    for (Thread &thread : threads) {
        thread.state = State::ready;
        thread.line = 0;
        thread.meetings = 0;
        getcontext(&thread.context);
        thread.context.uc_link = nullptr;
        thread.context.uc_stack.ss_sp = stacks + thread.linear * stack_bytes;
        thread.context.uc_stack.ss_size = stack_bytes;
        makecontext(&thread.context, thread_main, 0);
    }
    for (;;) {
        bool progress = false, finished = true;
        for (int i : sequence) {
            if (threads[i].state != State::ready) continue;
            current = &threads[i];
            swapcontext(&scheduler, &current->context);
            if (current->state == State::failed) return fault + place(*current);
            progress = true;
        }
        progress |= release_warps(threads);
        for (const Thread &thread : threads) finished &= thread.state == State::done;
        if (finished) return "";
        if (progress) continue;
        const std::string trouble = release_barrier(threads);
        if (!trouble.empty()) return trouble;
    }
}

inline std::string run_grid(dim3 grid, dim3 block, int order) {
    const unsigned per_block = block.x * block.y * block.z;
    if (per_block == 0 || per_block > 1024) return "a block has 1 to 1024 threads";
    grid_size = grid;
    block_size = block;
    const std::unique_ptr<char[]> stacks(new char[per_block * stack_bytes]);
    Threads threads(per_block);
    for (unsigned i = 0; i < per_block; ++i) {
        threads[i].linear = int(i);
        threads[i].index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    }
    for (int i : ordering(int(grid.x * grid.y * grid.z), order)) {
        const unsigned b = unsigned(i);
        block_index = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
        const std::string trouble = run_block(threads, stacks.get(), order);
        if (!trouble.empty()) return trouble;
    }
    return "";
}

template <typename... A, size_t... I>
std::string run_kernel(void (*kernel)(A...), dim3 grid, dim3 block, void **values,
                       int order, std::index_sequence<I...>) {
    struct Call {
        void (*kernel)(A...);
        void **values;
    } call{kernel, values};
    body = [](void *data) {
        const Call &call = *static_cast<Call *>(data);
        call.kernel(*static_cast<std::remove_reference_t<A> *>(call.values[I])...);
    };
    body_data = &call;
    return run_grid(grid, block, order);
}

// `values` points at one value per parameter, as cuLaunchKernel takes them, and `sizes` at
// their bytes, which a GPU launch would not check. Returns 0, or 1 with the reason in
// `trouble`.
#define HOST_ENTRY extern "C" __attribute__((visibility("default")))
#define HOST_LAUNCH_PARAMETERS                                                       \
    const unsigned *grid, const unsigned *block, void **values, const size_t *sizes, \
        size_t count, int order, char *trouble, size_t room
#define HOST_LAUNCH_VALUES grid, block, values, sizes, count, order, trouble, room
template <typename... A>
int launch(void (*kernel)(A...), HOST_LAUNCH_PARAMETERS) {
    const size_t expected[] = {sizeof(A)...};
    std::string text;
    if (!std::equal(sizes, sizes + count, expected, expected + sizeof...(A)))
        text = "number or sizes of the values are not those of the kernel's parameters";
    else
        text = run_kernel(kernel, {grid[0], grid[1], grid[2]},
                          {block[0], block[1], block[2]}, values, order,
                          std::index_sequence_for<A...>{});
    std::snprintf(trouble, room, "%s", text.c_str());
    return text.empty() ? 0 : 1;
}

}  // namespace host

// One thread runs at a time, so that a plain sum is atomic. Its order is the launch's.
template <typename T>
T atomicAdd(T *address, std::common_type_t<T> value) {
    const T before = *address;
    *address = before + value;
    return before;
}

// What g++ calls where -fsanitize=alignment,bounds finds something; the library with other
// handlers, which would print and go on, is not linked.
struct SanitizerPlace {
    const char *file;
    unsigned line, column;
};

extern "C" __attribute__((visibility("hidden"), used)) inline void
__ubsan_handle_type_mismatch_v1(SanitizerPlace *place, void *) {
    host::fail("an address is not a multiple of the size that is read or written: ",
               place->line);
}

extern "C" __attribute__((visibility("hidden"), used)) inline void
__ubsan_handle_out_of_bounds(SanitizerPlace *place, void *) {
    host::fail("an index is outside its array: ", place->line);
}
