// F = P / Q on groups of columns: the arithmetic that all rational kernels share.
//
//   P = sum_{i=0}^{m} a_i x^i
//   form 'A'   Q = 1 + sum_{j=1}^{n} |b_j| |x|^j
//   form 'B'   Q = 1 + |sum_{j=1}^{n} b_j x^j|
//
// Q >= 1, so F has no pole. The sign of 0 is +1 everywhere: of b_j, of x, and of the sum
// inside form B. (With the derivative 0 that |.| often gets at 0, a denominator that
// starts at 0 would never learn.)
//
// `x` is (rows, groups * width) row by row; a column's group is its number / width.
#pragma once

#include "common/vector.cuh"

// Blocks that must fit on a multiprocessor at a time, for __launch_bounds__. 0 leaves it
// to the compiler, which spares registers so that more fit. For double, whose values take
// two registers each, that would go as far as spilling some to memory; 1 forbids it.
template <typename T>
constexpr int resident = sizeof(T) == 8 ? 1 : 0;

// region: coefficients
// One group's coefficients, in registers. b[0] is the constant of the polynomial in the
// denominator: 1 in form A, 0 in form B. That makes a plain Horner scheme of both.
template <typename A, int m, int n, char form>
struct Coefficients {
    static_assert(m >= 0 && n >= 0, "degrees are 0 or more");
    static_assert(form == 'A' || form == 'B', "there are two forms");
    A a[m + 1], b[n + 1];

    __device__ __forceinline__ Coefficients(const A *numerator, const A *denominator) {
#pragma unroll
        for (int i = 0; i <= m; ++i) a[i] = numerator[i];
        b[0] = A(form == 'A');
#pragma unroll
        for (int j = 1; j <= n; ++j) {
            const A value = denominator[j - 1];
            b[j] = form == 'A' && value < A(0) ? -value : value;
        }
    }
};
// endregion

// region: reciprocal
// 1 / q for q >= 1 without branches, where a division takes ten instructions and a call.
// The hardware's own reciprocal is good to one unit in the last place of a float: nothing
// to a result of two bytes, which is all that it is used for alone. A Newton step
// r + r (1 - q r) squares the error: one gives a float, and two a double, whose first
// guess has 20 bits. From q = 2^126 (2^1022) on the guess is 0, as if q were infinite,
// and the minimum keeps 0 * infinity out of the step.
__device__ __forceinline__ float guess_reciprocal(float q) {
#if defined(__CUDA_ARCH__)
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(q));
    return r;
#else
    return q > 0x1p126f ? 0.0f : 1.0f / q;
#endif
}

__device__ __forceinline__ double guess_reciprocal(double q) {
#if defined(__CUDA_ARCH__)
    double r;
    asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(r) : "d"(q));
    return r;
#else
    return q > 0x1p1022 ? 0.0 : double(float(1.0 / q));
#endif
}

template <typename T>
__device__ __forceinline__ Arithmetic<T> reciprocal(Arithmetic<T> q) {
    Arithmetic<T> r = guess_reciprocal(q);
    if constexpr (sizeof(T) == 4) {
        r += r * (1.0f - fminf(q, 0x1p127f) * r);
    } else if constexpr (sizeof(T) == 8) {
        const double bounded = fmin(q, 0x1p1023);
        r += r * (1.0 - bounded * r);
        r += r * (1.0 - bounded * r);
    }
    return r;
}
// endregion

template <int degree, typename A>
__device__ __forceinline__ A horner(const A (&c)[degree + 1], A x) {
    A value = c[degree];
#pragma unroll
    for (int i = degree - 1; i >= 0; --i) value = value * x + c[i];
    return value;
}

// The polynomial and its derivative in 2 degree - 1 multiply-adds.
template <int degree, typename A>
__device__ __forceinline__ A horner(const A (&c)[degree + 1], A x, A &slope) {
    A value = c[degree];
    slope = A(0);
#pragma unroll
    for (int i = degree - 1; i >= 0; --i) {
        slope = i == degree - 1 ? value : slope * x + value;
        value = value * x + c[i];
    }
    return value;
}

// region: forward
template <typename T, int m, int n, char form>
__device__ __forceinline__ Arithmetic<T> rational(
    const Coefficients<Arithmetic<T>, m, n, form> &c, Arithmetic<T> x) {
    using A = Arithmetic<T>;
    const A p = horner<m>(c.a, x);
    const A w = x < A(0) ? -x : x;
    A q = horner<n>(c.b, form == 'A' ? w : x);
    if (form == 'B') q = A(1) + (q < A(0) ? -q : q);
    return p * reciprocal<T>(q);
}
// endregion

// region: element
// What one element gives to the backward pass, for its incoming gradient g:
//
//   its own gradient    g (P' - F Q') / Q
//   to each a_i         g x^i / Q
//   to each b_j         -F g z^j / Q times a sign: sgn b_j with z = |x| in form A,
//                       and in form B sgn(sum) with z = x
//
// The factor -1, and in form A sgn b_j, is the same for all elements of a sum: it waits
// for `negated`. Even powers are the same for x and |x|, so x^2, x^4, ... serve all sums
// and an odd power costs nothing more: m + n + 1 multiply-adds for as many sums.
template <typename T, int m, int n, char form>
__device__ __forceinline__ Arithmetic<T> add_element(
    const Coefficients<Arithmetic<T>, m, n, form> &c, Arithmetic<T> x, Arithmetic<T> g,
    Arithmetic<T> (&sum_a)[m + 1], Arithmetic<T> (&sum_b)[n + 1]) {
    using A = Arithmetic<T>;
    const A z = form == 'A' && x < A(0) ? -x : x;
    A dp, dq;
    const A p = horner<m>(c.a, x, dp), inner = horner<n>(c.b, z, dq);
    const bool minus = (form == 'A' ? x : inner) < A(0);
    const A q = form == 'A' ? inner : A(1) + (minus ? -inner : inner);

    const A r = reciprocal<T>(q), f = p * r, signed_f = minus ? -f : f;
    const A t = g * r, u = (form == 'A' ? f : signed_f) * t;
    const A tx = t * x, uz = u * z, square = x * x;

    sum_a[0] += t;
    if constexpr (m >= 1) sum_a[1] += tx;
    if constexpr (n >= 1) sum_b[1] += uz;
    A power = square;
#pragma unroll
    for (int i = 2; i <= (m > n ? m : n); i += 2) {
        if (i <= m) sum_a[i] += t * power;
        if (i + 1 <= m) sum_a[i + 1] += tx * power;
        if (i <= n) sum_b[i] += u * power;
        if (i + 1 <= n) sum_b[i + 1] += uz * power;
        power *= square;
    }
    return t * (dp - signed_f * dq);
}
// endregion

template <char form, typename A>
__device__ __forceinline__ A negated(A sum, A b) {
    return form == 'A' && b < A(0) ? sum : -sum;
}

// region: warp
// The sum over the 32 lanes of a warp, in every lane: five exchanges in the same order
// whatever runs first, so the same bits.
template <typename A>
__device__ __forceinline__ A warp_sum(A value) {
#pragma unroll
    for (int apart = 16; apart > 0; apart /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, apart);
    return value;
}
// endregion

// region: walk
// How one thread walks a tile, `rows` rows of one group's columns: linearly over all
// packs (neighbors that one access moves), so that no lane is idle when the width is no
// multiple of the block. The division that turns a number into row and column is done
// once; after that a step adds, and wraps at the row's end.
struct Walk {
    int left;             // packs that this thread still has to visit
    long long at;         // the pack, in bytes from the array's start
    int column, columns;  // in packs
    int column_step;
    long long step, wrap;

    // `first` is the tile's first element, the row's length counts elements, too.
    template <typename T, int pack>
    static __device__ __forceinline__ Walk over(long long first, int rows, int width,
                                                long long row_length) {
        const int threads = (int)blockDim.x, thread = (int)threadIdx.x;
        Walk walk;
        walk.columns = width / pack;
        const int packs = rows * walk.columns;
        walk.left = thread < packs ? (packs - thread - 1) / threads + 1 : 0;
        walk.column = thread % walk.columns;
        walk.column_step = threads % walk.columns;
        const long long row = row_length * sizeof(T);
        constexpr int bytes = pack * sizeof(T);
        walk.at = first * (long long)sizeof(T) + thread / walk.columns * row +
                  walk.column * bytes;
        walk.step = threads / walk.columns * row + walk.column_step * bytes;
        walk.wrap = row - (long long)walk.columns * bytes;
        return walk;
    }

    __device__ __forceinline__ void next() {
        --left;
        column += column_step;
        at += step;
        if (column >= columns) {
            column -= columns;
            at += wrap;
        }
    }
};
// endregion
