// The few functions of a B-spline layer that are not zero at a point, and SiLU beside
// them, all differentiated `derivative` times: what every kernel of a layer starts from.
//
//   template <T, degree, derivative>   fixed at compile time, so that every loop below
//                                      unrolls and its values stay in registers
//   knots   double, (rows, K + degree + 1), rows = 1 for all inputs or one per input;
//           rounded to T where they are compared and subtracted, as PyTorch's are
//
// Functions live on the whole line, the domain [t_degree, t_K] is closed, everything is 0
// beyond the knots, and NaN gives NaN.
#pragma once

// region: exponential
__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }
// endregion

// region: sigmoid
// With s = sigmoid(x), s' = s - s^2: if the n-th derivative of s is a polynomial p(s),
// then the next one is p'(s) (s - s^2). The compiler does this; a kernel sees numbers.
// `now` belongs to s^(n), `before` to n s^(n - 1); index = power of s.
template <int n>
struct SigmoidPowers {
    double now[n + 2], before[n + 2];
};

template <int n>
__device__ constexpr SigmoidPowers<n> sigmoid_powers() {
    SigmoidPowers<n> c{};
    c.now[1] = 1;
    for (int step = 0; step < n; ++step) {
        double next[n + 3] = {};
        for (int j = 1; j <= n; ++j) {
            next[j] += j * c.now[j];
            next[j + 1] -= j * c.now[j];
        }
        for (int j = 0; j < n + 2; ++j) {
            c.before[j] = n * c.now[j];
            c.now[j] = next[j];
        }
    }
    return c;
}
// endregion

// region: silu
// The n-th derivative of x s(x) is x s^(n) + n s^(n - 1), by Leibniz' rule.
template <int n, typename T>
__device__ __forceinline__ T silu(T x) {
    const T below = T(1) + exponential(-x);
    if constexpr (n == 0) {
        return x / below;
    } else {
        const T s = T(1) / below;
        constexpr SigmoidPowers<n> c = sigmoid_powers<n>();
        T now = T(0), before = T(0);
#pragma unroll
        for (int j = n + 1; j >= 0; --j) {
            now = now * s + T(c.now[j]);
            before = before * s + T(c.before[j]);
        }
        return x * now + before;
    }
}
// endregion

// region: search
// The last of m knots that is not above x (`strictly`: that is below x), or -1.
template <typename T>
__device__ __forceinline__ int last_knot(const double *t, int m, T x, bool strictly) {
    int low = -1, high = m;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        const T knot = T(t[middle]);
        (knot < x || (knot == x && !strictly) ? low : high) = middle;
    }
    return low;
}
// endregion

template <typename T, int degree, int derivative>
struct Splines {
    // Cubic splines on equidistant knots have a closed form. Third derivatives jump at
    // knots, and there the search below decides on the side.
    static constexpr bool may_be_closed = degree == 3 && derivative < 3;

    const double *knots;
    int rows, size;  // rows of knots, and K
    bool closed;
    T scale, shift;  // u = scale x + shift is 0 at the first knot and 1 at the second

    // region: grid
    // Are the knots equidistant? The host must not ask, because reading them would make
    // it wait for the device. So each warp finds out for itself, 32 knots at a time, once
    // a launch; `__any_sync` gives all of its lanes the same answer. All lanes of a warp
    // have to come here.
    __device__ __forceinline__ Splines(const double *knots, int rows, int size)
        : knots(knots), rows(rows), size(size), closed(false), scale(0), shift(0) {
        if constexpr (may_be_closed) {
            const double start = knots[degree];
            const double step = (knots[size] - start) / (size - degree);
            const double limit = 1e-12 * fabs(step);
            bool uneven = rows != 1 || size <= degree;
            const int m = size + degree + 1;
            for (int j = (int)threadIdx.x % 32; j < m; j += 32)
                uneven |= !(fabs(knots[j] - (start + step * (j - degree))) <= limit);
            closed = !__any_sync(0xffffffffu, uneven);
            scale = T(1 / step);
            shift = T(degree - start / step);
        }
    }
    // endregion

    // region: active
    // B_first ... B_{first + degree} at x, those that do not exist as 0.
    __device__ __forceinline__ int active(T x, int input, T (&value)[degree + 1]) const {
        if constexpr (derivative > degree) {
#pragma unroll
            for (int m = 0; m <= degree; ++m) value[m] = x != x ? x : T(0);
            return 0;
        }
        if constexpr (may_be_closed) {
            if (closed) return closed_form(x, value);
        }
        return cox_de_boor(x, knots + (rows == 1 ? 0LL : input) * (size + degree + 1LL),
                           value);
    }
    // endregion

   private:
    // region: closed form
    // On span number floor(u), with t = u - floor(u) in [0, 1) and o = 1 - t, the four
    // cubic pieces are o^3/6, (3t^2(t - 2) + 4)/6 and the same two with t and o
    // exchanged. A derivative in x brings a factor `scale` each time.
    __device__ __forceinline__ int closed_form(T x, T (&value)[degree + 1]) const {
        if constexpr (may_be_closed) {
            const T u = x * scale + shift;
            const bool inside = u >= T(0) && u < T(size + 3);
            const int number = (int)(inside ? u : T(0));
            const T t = (inside ? u : T(0)) - T(number), o = T(1) - t;
            // 1 inside, 0 outside, and NaN, which is neither, stays NaN.
            const T there = inside ? T(1) : u != u ? u : T(0);
            if constexpr (derivative == 0) {
                const T f = there * T(1.0 / 6.0);
                value[0] = o * o * o * f;
                value[1] = (T(3) * t * t * (t - T(2)) + T(4)) * f;
                value[2] = (T(3) * o * o * (o - T(2)) + T(4)) * f;
                value[3] = t * t * t * f;
            } else if constexpr (derivative == 1) {
                const T f = there * scale;
                value[0] = T(-0.5) * o * o * f;
                value[1] = (T(1.5) * t - T(2)) * t * f;
                value[2] = (T(2) - T(1.5) * o) * o * f;
                value[3] = T(0.5) * t * t * f;
            } else {
                const T f = there * scale * scale;
                value[0] = o * f;
                value[1] = (T(3) * t - T(2)) * f;
                value[2] = (T(3) * o - T(2)) * f;
                value[3] = t * f;
            }
            const int first = number - degree;
#pragma unroll
            for (int m = 0; m <= degree; ++m)
                if ((first + m < 0 || first + m >= size) && value[m] == value[m])
                    value[m] = T(0);
            return first;
        }
        return 0;
    }
    // endregion

    // region: recursion
    // Cox-de Boor for any knots: up to degree - derivative it climbs by values, from
    // there on by B'_{k,p} = p (B_{k,p-1} / (t_{k+p} - t_k) - B_{k+1,p-1} / ...). Each
    // quotient spans the point's own interval, so repeated knots never give 0/0.
    __device__ __forceinline__ int cox_de_boor(T x, const double *t,
                                               T (&value)[degree + 1]) const {
        const int m = size + degree + 1;
        const T right = T(t[size]);
        const bool inside = x >= T(t[0]) && (x < T(t[m - 1]) || x == right);
        if (!inside) {
#pragma unroll
            for (int q = 0; q <= degree; ++q) value[q] = x != x ? x : T(0);
            return 0;
        }
        // The domain is closed: its right end belongs to the span that ends there.
        const int low = last_knot(t, m, x, x == right);
        T near[degree > 0 ? 2 * degree : 1];
#pragma unroll
        for (int q = 0; q < 2 * degree; ++q)
            near[q] = T(t[min(max(low - degree + 1 + q, 0), m - 1)]);
        value[0] = T(1);
#pragma unroll
        for (int p = 1; p <= degree; ++p) {
            T carried = T(0);
#pragma unroll
            for (int q = 0; q < p; ++q) {
                const T a = near[degree - p + q], b = near[degree + q];
                const T share = value[q] / (b - a);
                if (p <= degree - derivative) {
                    value[q] = carried + share * (b - x);
                    carried = share * (x - a);
                } else {
                    value[q] = carried - T(p) * share;
                    carried = T(p) * share;
                }
            }
            value[p] = carried;
        }
        const int first = low - degree;
#pragma unroll
        for (int q = 0; q <= degree; ++q)
            if (first + q < 0 || first + q >= size) value[q] = T(0);
        return first;
    }
    // endregion
};

// region: point
// A point as the local kernels keep it in shared memory: values for the functions
// first ... first + degree, which all exist, and for SiLU. Aligned, so that a thread gets
// it by loads of 16 bytes.
template <typename T, int degree>
struct alignas(16) Point {
    T value[degree + 2];
    int first;
};

// Near the ends of the knots some of the degree + 1 functions do not exist. There the
// window is shifted inwards (which needs K > degree), so that nobody has to ask again.
template <typename T, int degree, int derivative>
__device__ __forceinline__ Point<T, degree> point(
    const Splines<T, degree, derivative> &splines, T x, T factor, int input, bool base) {
    T value[degree + 1];
    const int given = splines.active(x, input, value);
    const int first = min(max(given, 0), splines.size - degree - 1);
    Point<T, degree> result;
    result.first = first;
#pragma unroll
    for (int q = 0; q <= degree; ++q) {
        T v = value[q];
        if (derivative <= degree && given != first) {
            v = x != x ? x : T(0);
#pragma unroll
            for (int m = 0; m <= degree; ++m)
                if (given + m == first + q) v = value[m];
        }
        result.value[q] = v * factor;
    }
    result.value[degree + 1] = base ? silu<derivative>(x) * factor : T(0);
    return result;
}
// endregion

// region: tile
// A block's points: `height` rows from `row` on by `width` inputs from `input` on, row by
// row. Beyond the last row or input the values are 0, at a window that exists.
template <typename T, int degree, int derivative>
__device__ __forceinline__ void fill_tile(
    Point<T, degree> *tile, const Splines<T, degree, derivative> &splines,
    const T *__restrict__ x, const T *__restrict__ scale, long long row, int height,
    long long rows, int input, int width, int inputs, bool base) {
    for (int p = (int)threadIdx.x; p < height * width; p += (int)blockDim.x) {
        const long long r = row + p / width;
        const int i = input + p % width;
        Point<T, degree> made = {};
        if (r < rows && i < inputs) {
            const long long at = r * inputs + i;
            const T factor = scale == nullptr ? T(1) : scale[at];
            made = point(splines, x[at], factor, i, base);
        }
        tile[p] = made;
    }
}
// endregion
