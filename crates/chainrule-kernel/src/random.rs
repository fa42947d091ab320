//! Random numbers that depend on a seed, a stream and a position alone.
//!
//! Philox 4×32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011) turns a
//! counter into four random words, so that element i can be computed by any thread at any time. Logarithm
//! and cosine are our own, in plain arithmetic, so that the numbers are the same bits on every machine.

/// A sequence of random numbers: `(seed, stream)` names it, positions count from 0. A number depends on these three
/// alone.
///
/// ```
/// use chainrule_kernel::random::Stream;
/// let stream = Stream { seed: 7, stream: 0 };
/// assert_eq!(stream.uniform(1000), Stream { seed: 7, stream: 0 }.uniform(1000));
/// assert_ne!(stream.uniform(1000), Stream { stream: 1, ..stream }.uniform(1000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// What the user chose.
    pub seed: u64,
    /// Which of the seed's sequences: one for each drawing.
    pub stream: u64,
}

impl Stream {
    /// Four random words at this position.
    fn words(&self, position: u64) -> [u32; 4] {
        let counter =
            [position as u32, (position >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
        philox(counter, [self.seed as u32, (self.seed >> 32) as u32])
    }

    /// 64 random bits at position i.
    fn bits(&self, i: u64) -> u64 {
        let words = self.words(i / 2);
        let half = if i.is_multiple_of(2) { [words[0], words[1]] } else { [words[2], words[3]] };
        u64::from(half[0]) | u64::from(half[1]) << 32
    }

    /// A number in [0, 1) with 53 random bits, at position i.
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let stream = Stream { seed: 7, stream: 0 };
    /// let mean = (0..10_000).map(|i| stream.uniform(i)).sum::<f64>() / 10_000.0;
    /// assert!((mean - 0.5).abs() < 0.01);
    /// ```
    pub fn uniform(&self, i: u64) -> f64 {
        (self.bits(i) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in [0, 1) with 24 random bits, at position i. (The nearest float to [`Stream::uniform`] may be 1.)
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let stream = Stream { seed: 7, stream: 0 };
    /// assert!((0..10_000).all(|i| (0.0..1.0).contains(&stream.uniform_f32(i))));
    /// ```
    pub fn uniform_f32(&self, i: u64) -> f32 {
        (self.bits(i) >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// A number of the standard normal distribution, at position i: Box and Muller's √(−2 ln u)·cos 2πv.
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let stream = Stream { seed: 7, stream: 0 };
    /// let mean_square = (0..10_000).map(|i| stream.normal(i).powi(2)).sum::<f64>() / 10_000.0;
    /// assert!((mean_square - 1.0).abs() < 0.05);
    /// ```
    pub fn normal(&self, i: u64) -> f64 {
        let pair = i / 2;
        let (u, v) = (1.0 - self.uniform(2 * pair), self.uniform(2 * pair + 1));
        let radius = (-2.0 * ln(u)).sqrt();
        // The two numbers of a pair are the sine and the cosine of the same angle.
        radius * if i.is_multiple_of(2) { cos_turns(v) } else { cos_turns(v + 0.75) }
    }

    /// An integer in `0..bound`, each as likely, at position i (below 2⁵⁶).
    ///
    /// Lemire's multiplication with rejection ("Fast random integer generation in an interval", 2019); later attempts read
    /// positions that are far from all others.
    ///
    /// # Panics
    /// `bound` is 0.
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let dice = Stream { seed: 7, stream: 0 };
    /// let sixes = (0..6000).filter(|&i| dice.below(6, i) == 5).count();
    /// assert!((900..1100).contains(&sixes));
    /// ```
    pub fn below(&self, bound: u64, i: u64) -> u64 {
        let threshold = bound.wrapping_neg() % bound;
        for attempt in 0..64u64 {
            let wide = u128::from(self.bits(i + (attempt << 56))) * u128::from(bound);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
        0
    }

    /// The numbers 0…n−1 in random order (Fisher and Yates).
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let mut order = Stream { seed: 7, stream: 0 }.permutation(100);
    /// assert!(!order.is_sorted());
    /// order.sort();
    /// assert!(order.into_iter().eq(0..100));
    /// ```
    pub fn permutation(&self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last as u64 + 1, last as u64) as usize);
        }
        order
    }
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

/// `ln x` for positive normal x, from additions, multiplications and one division alone.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & 0x000F_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh((m − 1)/(m + 1)), a series in odd powers that is short for m near 1.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let mut sum = 0.0;
    for k in (0..12).rev() {
        sum = sum * square + 1.0 / (2 * k + 1) as f64;
    }
    2.0 * t * sum + exponent as f64 * std::f64::consts::LN_2
}

/// `cos 2πx`, from additions and multiplications alone.
fn cos_turns(x: f64) -> f64 {
    let x = (x - x.floor() - 0.5).abs();
    // cos 2π(½ ± x) = −cos 2πx; with x in [0, ½] mirrored to [0, ¼] the series is short.
    let (x, sign) = if x > 0.25 { (0.5 - x, 1.0) } else { (x, -1.0) };
    let angle = std::f64::consts::TAU * x;
    let square = angle * angle;
    let mut sum = 1.0;
    for k in (1..13).rev() {
        sum = 1.0 - sum * square / ((2 * k) * (2 * k - 1)) as f64;
    }
    sign * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_words() {
        // Known answers of the authors' Random123 library.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn own_functions_are_right() {
        for i in 1..1000 {
            let x = f64::from(i) * 0.001;
            assert!((ln(x) - x.ln()).abs() < 1e-14 * x.ln().abs().max(1.0));
            assert!((cos_turns(x) - (std::f64::consts::TAU * x).cos()).abs() < 1e-14);
        }
    }

    #[test]
    fn distributions_have_the_right_moments() {
        let stream = Stream { seed: 7, stream: 3 };
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| stream.uniform(i)) - 0.5).abs() < 0.005);
        assert!(mean(&|i| stream.normal(i)).abs() < 0.01);
        assert!((mean(&|i| stream.normal(i).powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&|i| stream.normal(i).powi(4)) - 3.0).abs() < 0.15);
        assert!((mean(&|i| stream.below(10, i) as f64) - 4.5).abs() < 0.05);
        let mut order = stream.permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, &x)| i == x));
    }
}
