// What CUDA C++ has without any header, for g++: vector types, bit casts, arithmetic.
//
// Both emulations include this: cuda_host.h (fibers) and cuda_races.h (OS threads).
// Vector types are as strictly aligned as on a GPU, where a load of 16 bytes from another
// address is an error: the emulations are compiled with -fsanitize=alignment,bounds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) alignas(bytes)
#define __launch_bounds__(...)

using std::max;
using std::min;

struct dim3 {
    unsigned x, y, z;
};

#define VECTOR_TYPES(T, name)                                              \
    struct alignas(2 * sizeof(T)) name##2 {                                \
        T x, y;                                                            \
    };                                                                     \
    struct alignas(sizeof(T) < 8 ? 4 * sizeof(T) : 16) name##4 {           \
        T x, y, z, w;                                                      \
    };                                                                     \
    inline name##2 make_##name##2(T x, T y) { return {x, y}; }             \
    inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

VECTOR_TYPES(float, float)
VECTOR_TYPES(double, double)
VECTOR_TYPES(int, int)
VECTOR_TYPES(unsigned, uint)
VECTOR_TYPES(short, short)
VECTOR_TYPES(unsigned short, ushort)
VECTOR_TYPES(long long, longlong)
#undef VECTOR_TYPES

namespace host {

template <typename To, typename From>
To bits_as(From value) {
    static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

}  // namespace host

inline float __uint_as_float(unsigned bits) { return host::bits_as<float>(bits); }
inline float __int_as_float(int bits) { return host::bits_as<float>(bits); }
inline unsigned __float_as_uint(float value) { return host::bits_as<unsigned>(value); }
inline int __float_as_int(float value) { return host::bits_as<int>(value); }
inline double __longlong_as_double(long long bits) {
    return host::bits_as<double>(bits);
}
inline long long __double_as_longlong(double value) {
    return host::bits_as<long long>(value);
}

// Loads and stores that only differ in how they use a GPU's caches.
template <typename T>
T __ldg(const T *from) {
    return *from;
}
template <typename T>
T __ldcs(const T *from) {
    return *from;
}
template <typename T>
T __ldcg(const T *from) {
    return *from;
}
template <typename T>
void __stcs(T *to, T value) {
    *to = value;
}
template <typename T>
void __stcg(T *to, T value) {
    *to = value;
}

// The _rn functions round once, as their names promise. __fdividef is less exact on a GPU.
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fmaf(x, y, z); }
inline double __drcp_rn(double x) { return 1.0 / x; }
inline double __fma_rn(double x, double y, double z) { return std::fma(x, y, z); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline int __float2int_rn(float x) { return int(std::nearbyintf(x)); }
inline int __float2int_rd(float x) { return int(std::floor(x)); }
inline int __float2int_rz(float x) { return int(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(unsigned(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
