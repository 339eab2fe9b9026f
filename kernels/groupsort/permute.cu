// Operation: a group's values in descending order of its keys (gather), and back (scatter).
//            groupsort_gather    out[k] = value[order(k)]
//            groupsort_scatter   out[order(k)] = value[k], the transpose of that
// Launch:    any 1-D grid of blocks of at most 256 threads; a thread takes `count` numbers
//            (whole groups) after another.
// Bytes:     3 sizeof(T) an element: key and value read, out written; 2 where they are one.
// Checked:   groupsort_gather<float, 2, 4>, groupsort_gather<bfloat16, 2, 8>,
// Checked:   groupsort_gather<float, 8, 8>, groupsort_gather<float, 16, 16>,
// Checked:   groupsort_scatter<float, 2, 4>, groupsort_scatter<double, 4, 4>,
// Checked:   groupsort_scatter<float, 16, 16>
//
//   template <T, size, count, bytes>
//     T       float, double, bfloat16 or float16
//     size    keys of a group, 2 to 16
//     count   numbers of a thread, a multiple of size and a divisor of all
//     bytes   of one access, at most 16: a divisor of count * sizeof(T), and addresses are
//             multiples of it
//   key, value, out   (steps * count); equal keys keep their order, NaN comes first

#include "common/vector.cuh"

// region: network
// Odd-even transposition: in each of `size` phases neighbors change places where the left
// key is the smaller one. Equal keys never do, which keeps their order, and no position
// depends on a value, so that all of it stays in registers. A bit remembers each exchange.
template <typename A>
__device__ __forceinline__ bool below(A left, A right) {
    return left < right || (right != right && left == left);
}

template <typename A>
__device__ __forceinline__ void exchange(bool yes, A &left, A &right) {
    const A old = left;
    left = yes ? right : left;
    right = yes ? old : right;
}

template <int size, typename A>
__device__ __forceinline__ void gather(A *key, A *value) {
#pragma unroll
    for (int phase = 0; phase < size; ++phase) {
#pragma unroll
        for (int i = phase % 2; i + 1 < size; i += 2) {
            const bool yes = below(key[i], key[i + 1]);
            exchange(yes, key[i], key[i + 1]);
            exchange(yes, value[i], value[i + 1]);
        }
    }
}

// The exchanges once more, the last one first, take values from their places back.
template <int size, typename A>
__device__ __forceinline__ void scatter(A *key, A *value) {
    unsigned exchanged[size] = {};
#pragma unroll
    for (int phase = 0; phase < size; ++phase) {
#pragma unroll
        for (int i = phase % 2; i + 1 < size; i += 2) {
            const bool yes = below(key[i], key[i + 1]);
            exchange(yes, key[i], key[i + 1]);
            exchanged[phase] |= (unsigned)yes << i;
        }
    }
#pragma unroll
    for (int phase = size - 1; phase >= 0; --phase) {
#pragma unroll
        for (int i = phase % 2; i + 1 < size; i += 2) {
            exchange((exchanged[phase] >> i & 1u) != 0, value[i], value[i + 1]);
        }
    }
}
// endregion

// region: kernel
template <typename T, int count, int bytes>
__device__ __forceinline__ void fetch(const T *from, long long step,
                                      Arithmetic<T> (&numbers)[count]) {
    constexpr int part = bytes / sizeof(T);
#pragma unroll
    for (int i = 0; i < count; i += part) {
        Arithmetic<T> some[part];
        unpack<T, part>(load<bytes>(from, (step * count + i) * (long long)sizeof(T)), some);
#pragma unroll
        for (int k = 0; k < part; ++k) numbers[i + k] = some[k];
    }
}

template <typename T, int count, int bytes>
__device__ __forceinline__ void put(T *to, long long step,
                                    const Arithmetic<T> (&numbers)[count]) {
    constexpr int part = bytes / sizeof(T);
#pragma unroll
    for (int i = 0; i < count; i += part) {
        Arithmetic<T> some[part];
#pragma unroll
        for (int k = 0; k < part; ++k) some[k] = numbers[i + k];
        store<bytes>(to, (step * count + i) * (long long)sizeof(T), packed<T, part>(some));
    }
}

template <typename T, int size, int count, int bytes, bool back>
__device__ __forceinline__ void permute(const T *key, const T *value, T *out,
                                        long long steps) {
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < steps;
         i += (long long)gridDim.x * blockDim.x) {
        Arithmetic<T> keys[count], values[count];
        fetch<T, count, bytes>(key, i, keys);
        fetch<T, count, bytes>(value, i, values);
#pragma unroll
        for (int k = 0; k < count; k += size) {
            if constexpr (back) {
                scatter<size>(keys + k, values + k);
            } else {
                gather<size>(keys + k, values + k);
            }
        }
        put<T, count, bytes>(out, i, values);
    }
}

template <int bytes>
constexpr int widest = bytes < 16 ? bytes : 16;

template <typename T, int size = 2, int count = size,
          int bytes = widest<count * sizeof(T)>>
__global__ void __launch_bounds__(256)
    groupsort_gather(const T *__restrict__ key, const T *__restrict__ value,
                     T *__restrict__ out, long long steps) {
    permute<T, size, count, bytes, false>(key, value, out, steps);
}

template <typename T, int size = 2, int count = size,
          int bytes = widest<count * sizeof(T)>>
__global__ void __launch_bounds__(256)
    groupsort_scatter(const T *__restrict__ key, const T *__restrict__ value,
                      T *__restrict__ out, long long steps) {
    permute<T, size, count, bytes, true>(key, value, out, steps);
}
// endregion
