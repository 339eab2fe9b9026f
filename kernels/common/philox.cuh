// Random numbers that depend on a counter and a key alone: Philox4x32 with 10 rounds
// (Salmon, Moraes, Dror, Shaw, 2011). Any thread makes any number of the stream, in any
// order and on any device, and gets the same bits.
//
//   philox(counter, key)   4 words of 32 random bits
//   normals<T>(words, z)   4 independent standard normal numbers by Box and Muller
#pragma once

struct Counter {
    unsigned word[4];
};

// region: philox
// A round multiplies two words, keeps both halves of the products, and mixes the upper
// halves with the other two words and the key. Ten of them pass every known test.
__device__ __forceinline__ Counter philox(Counter c, unsigned key0, unsigned key1) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned long long p = 0xD2511F53ull * c.word[0];
        const unsigned long long q = 0xCD9E8D57ull * c.word[2];
        c = {{(unsigned)(q >> 32) ^ c.word[1] ^ key0, (unsigned)q,
              (unsigned)(p >> 32) ^ c.word[3] ^ key1, (unsigned)p}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}
// endregion

// sin and cos of pi * a. The device's own takes no detour through memory for large
// arguments, as sin and cos do.
template <typename T>
__device__ __forceinline__ void turn(T a, T &sine, T &cosine) {
#if defined(__CUDA_ARCH__)
    if constexpr (sizeof(T) == 4) {
        sincospif(a, &sine, &cosine);
    } else {
        sincospi(a, &sine, &cosine);
    }
#else
    const T angle = T(3.14159265358979323846) * a;
    sine = sin(angle), cosine = cos(angle);
#endif
}

// region: normals
// From u in (0, 1] and v in [0, 1]: sqrt(-2 log u) (cos 2 pi v, sin 2 pi v) are two
// independent normal numbers. With 32 bits u is at least 2^-33: none exceeds 6.8, where
// the density leaves 1e-11.
template <typename T>
__device__ __forceinline__ void normals(const Counter &bits, T (&z)[4]) {
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
        const T u = T(bits.word[2 * pair]) * T(0x1p-32) + T(0x1p-33);
        const T radius = sqrt(T(-2) * log(u < T(1) ? u : T(1)));
        T sine, cosine;
        turn(T(bits.word[2 * pair + 1]) * T(0x1p-31), sine, cosine);
        z[2 * pair] = radius * cosine;
        z[2 * pair + 1] = radius * sine;
    }
}
// endregion
