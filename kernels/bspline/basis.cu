// Operation: out[n, k] = B_k(x[n]), all K B-splines of a degree at each point.
// Launch:    1-D grid of 1-D blocks, any sizes; one thread a point, grid-stride loop.
// Bytes:     (1 + K) sizeof(T) a point, x read and out written; knots stay in cache.
//
// Knots are non-decreasing and finite. Each row of them has K + degree + 1 entries; point
// n uses row n mod rows, so rows = 1 shares one row, and rows = I gives every input of
// an (N, I) array its own. Repeated knots are fine: an empty span is never entered.
//
//   template <T, degree>   float or double; degree 3 unless named
//   x     count points, row by row
//   knots (rows, K + degree + 1)
//   out   (count, K), every entry written

// region: span
// The j with t[j] <= x < t[j + 1], by bisection: -1 left of all knots, m - 1 from the last
// one on. The usable domain is closed, so its right end t[K] belongs to the span that
// ends there (t[j] < x <= t[j + 1]); elsewhere that choice would change no value unless
// a function jumps there.
template <typename T>
__device__ int find_span(const T *t, int m, T x, bool ends_here) {
    int low = -1, high = m;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        const bool right = ends_here ? t[middle] < x : t[middle] <= x;
        (right ? low : high) = middle;
    }
    return low;
}
// endregion

// region: triangle
// On span j only B_{j - degree}, ..., B_j are not zero. Cox-de Boor climbs from
// degree 0, where B_j = 1, one degree a step; each quotient
// w = B_i / (t[i + d] - t[i]) is shared by the two functions above it, so a step of
// d + 1 values costs d divisions. Both factors are non-negative: nothing cancels. The
// divisor spans j, so it is never 0. A function whose knots would lie outside the row
// does not exist and feeds none that does.
template <typename T, int degree>
__device__ void local_values(const T *t, int m, int j, T x, T (&value)[degree + 1]) {
    value[0] = T(1);
#pragma unroll
    for (int d = 1; d <= degree; ++d) {
        T carried = T(0);
#pragma unroll
        for (int r = 0; r < d; ++r) {
            const int left = j + 1 - d + r, right = j + 1 + r;
            T w = T(0), rising = T(0), falling = T(0);
            if (left >= 0 && right < m) {
                w = value[r] / (t[right] - t[left]);
                rising = x - t[left];
                falling = t[right] - x;
            }
            value[r] = carried + falling * w;
            carried = rising * w;
        }
        value[d] = carried;
    }
}
// endregion

// region: kernel
template <typename T, int degree = 3>
__global__ void bspline_basis(const T *__restrict__ x, const T *__restrict__ knots,
                              T *__restrict__ out, long long count, int rows, int K) {
    const int m = K + degree + 1;
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long n = (long long)blockIdx.x * blockDim.x + threadIdx.x; n < count;
         n += stride) {
        const T point = x[n];
        const T *t = knots + (n % rows) * m;
        T *row = out + n * K;

        if (point != point) {  // NaN in, NaN out
            for (int k = 0; k < K; ++k) row[k] = point;
            continue;
        }

        const int j = find_span(t, m, point, point == t[K]);
        if (j < 0 || j >= m - 1) {  // outside every support
            for (int k = 0; k < K; ++k) row[k] = T(0);
            continue;
        }

        T value[degree + 1];
        local_values<T, degree>(t, m, j, point, value);

        const int first = j - degree;
        for (int k = 0; k < first; ++k) row[k] = T(0);
#pragma unroll
        for (int r = 0; r <= degree; ++r) {  // unrolled: value stays in registers
            if (first + r >= 0 && first + r < K) row[first + r] = value[r];
        }
        for (int k = j + 1; k < K; ++k) row[k] = T(0);
    }
}
// endregion
