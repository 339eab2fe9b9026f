// Wide memory accesses, and numbers of two bytes that are computed with in float.
//
// A thread moves at most 16 bytes with one instruction (LDG.E.128, STG.E.128), and a
// kernel bound by memory wants that. The compiler does not promise it: a local array
// copied to memory may become four narrow stores. So words are moved here by explicit
// vector types and are numbers only in registers.
//
//   bfloat16, float16     as they lie in memory
//   Arithmetic<T>         the type to compute in: double for double, else float
//   Words<bytes>          16, 8, 4 or 2 bytes in registers
//   load, store           one access, `at` bytes into an array; the address must be a
//                         multiple of `bytes`
//   unpack, packed        words to numbers and back, rounding to nearest even
#pragma once

struct bfloat16 {
    unsigned short bits;
};

struct float16 {
    unsigned short bits;
};

template <typename T>
struct ArithmeticOf {
    using type = float;
};
template <>
struct ArithmeticOf<double> {
    using type = double;
};
template <typename T>
using Arithmetic = typename ArithmeticOf<T>::type;

template <int bytes>
struct Words {
    unsigned word[bytes < 4 ? 1 : bytes / 4];
};

// region: access
template <int bytes>
__device__ __forceinline__ Words<bytes> load(const void *array,
                                                             long long at) {
    const void *from = static_cast<const char *>(array) + at;
    Words<bytes> words;
    if constexpr (bytes == 16) {
        const uint4 q = *static_cast<const uint4 *>(from);
        words.word[0] = q.x, words.word[1] = q.y;
        words.word[2] = q.z, words.word[3] = q.w;
    } else if constexpr (bytes == 8) {
        const uint2 q = *static_cast<const uint2 *>(from);
        words.word[0] = q.x, words.word[1] = q.y;
    } else if constexpr (bytes == 4) {
        words.word[0] = *static_cast<const unsigned *>(from);
    } else {
        static_assert(bytes == 2, "one access moves 16, 8, 4 or 2 bytes");
        words.word[0] = *static_cast<const unsigned short *>(from);
    }
    return words;
}

template <int bytes>
__device__ __forceinline__ void store(void *array, long long at,
                                      Words<bytes> words) {
    void *to = static_cast<char *>(array) + at;
    if constexpr (bytes == 16) {
        *static_cast<uint4 *>(to) =
            uint4{words.word[0], words.word[1], words.word[2], words.word[3]};
    } else if constexpr (bytes == 8) {
        *static_cast<uint2 *>(to) = uint2{words.word[0], words.word[1]};
    } else if constexpr (bytes == 4) {
        *static_cast<unsigned *>(to) = words.word[0];
    } else {
        static_assert(bytes == 2, "one access moves 16, 8, 4 or 2 bytes");
        *static_cast<unsigned short *>(to) = (unsigned short)words.word[0];
    }
}
// endregion

// Two halves share a word; these make the lower or upper one a float, and two floats a
// word. On a GPU each is an instruction or two; elsewhere the same bits by integers.

// region: bfloat16
// A bfloat16 is the upper half of a float, so reading costs a shift. Writing adds just
// under half a unit of the last place kept, and the last bit itself so that ties go to
// even. NaN must not go that way: its carry could run over into a zero.
__device__ __forceinline__ float widen(bfloat16, unsigned word, bool upper) {
    return __uint_as_float(upper ? word & 0xffff0000u : word << 16);
}

__device__ __forceinline__ unsigned narrowed(bfloat16, float value) {
    const unsigned bits = __float_as_uint(value);
    if (value != value) return 0x7fffu;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
// endregion

__device__ __forceinline__ unsigned pair(bfloat16 as, float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
#else
    return narrowed(as, low) | narrowed(as, high) << 16;
#endif
}

__device__ __forceinline__ float widen(float16, unsigned word, bool upper) {
    const unsigned bits = upper ? word >> 16 : word & 0xffffu;
#if defined(__CUDA_ARCH__)
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"((unsigned short)bits));
    return value;
#else
    // The exponent is 112 less than a float's; a product repairs subnormals too.
    const unsigned magnitude = (bits & 0x7fffu) << 13, sign = (bits & 0x8000u) << 16;
    if (magnitude >= 0x7c00u << 13)  // infinite or NaN
        return __uint_as_float(sign | 0x7f800000u | magnitude);
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude) * 0x1p112f));
#endif
}

__device__ __forceinline__ unsigned narrowed(float16, float value) {
#if defined(__CUDA_ARCH__)
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    if (value != value) return 0x7fffu;
    const unsigned all = __float_as_uint(value), sign = all >> 16 & 0x8000u;
    const unsigned bits = all & 0x7fffffffu;
    if (bits >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and more: infinite
    if (bits < 0x38800000u)  // subnormal: adding 1/2 shifts the bits to their place
        return sign | (__float_as_uint(__uint_as_float(bits) + 0.5f) - 0x3f000000u);
    return sign | (bits - 0x38000000u + 0xfffu + (bits >> 13 & 1u)) >> 13;
#endif
}

__device__ __forceinline__ unsigned pair(float16 as, float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    unsigned word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
#else
    return narrowed(as, low) | narrowed(as, high) << 16;
#endif
}

template <typename T, int count>
__device__ __forceinline__ void unpack(Words<count * sizeof(T)> words,
                                       Arithmetic<T> (&values)[count]) {
#pragma unroll
    for (int i = 0; i < count; ++i) {
        if constexpr (sizeof(T) == 8) {
            const unsigned long long high = words.word[2 * i + 1];
            values[i] = __longlong_as_double((long long)(high << 32 | words.word[2 * i]));
        } else if constexpr (sizeof(T) == 4) {
            values[i] = __uint_as_float(words.word[i]);
        } else {
            values[i] = widen(T{}, words.word[i / 2], i % 2 != 0);
        }
    }
}

template <typename T, int count>
__device__ __forceinline__ Words<count * sizeof(T)> packed(
    const Arithmetic<T> (&values)[count]) {
    Words<count * sizeof(T)> words{};
    if constexpr (sizeof(T) == 2 && count == 1) {
        words.word[0] = pair(T{}, values[0], 0.0f);
    } else {
#pragma unroll
        for (int i = 0; i < count; ++i) {
            if constexpr (sizeof(T) == 8) {
                const long long bits = __double_as_longlong(values[i]);
                words.word[2 * i] = (unsigned)bits;
                words.word[2 * i + 1] = (unsigned)(bits >> 32);
            } else if constexpr (sizeof(T) == 4) {
                words.word[i] = __float_as_uint(values[i]);
            } else if (i % 2 == 0) {
                words.word[i / 2] = pair(T{}, values[i], values[i + 1]);
            }
        }
    }
    return words;
}
