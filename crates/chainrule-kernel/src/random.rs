//! Random numbers that depend on a seed, a stream and a position alone.
//!
//! Philox 4×32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011) turns a
//! counter into four random words, so that element i can be computed by any thread at any time. Logarithm
//! and cosine are our own, in plain arithmetic, so that the numbers are the same bits on every machine.

use super::multiversion;

/// A sequence of random numbers: `(seed, stream)` names it, positions count from 0. A number depends on these three
/// alone.
///
/// ```
/// use chainrule_kernel::random::Stream;
/// let draw = |stream: Stream| std::array::from_fn::<u64, 3, _>(|i| stream.below(1000, i as u64));
/// let stream = Stream { seed: 7, stream: 0 };
/// assert_eq!(draw(stream), draw(Stream { seed: 7, stream: 0 }));
/// assert_ne!(draw(stream), draw(Stream { stream: 1, ..stream }));
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
    #[inline(always)]
    fn words(&self, position: u64) -> [u32; 4] {
        let counter =
            [position as u32, (position >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
        philox(counter, [self.seed as u32, (self.seed >> 32) as u32])
    }

    /// 64 random bits at position i.
    fn bits(&self, i: u64) -> u64 {
        halves(self.words(i / 2))[(i % 2) as usize]
    }

    /// Numbers in [0, 1) with 53 random bits each, at the positions from an even one on.
    ///
    /// # Panics
    /// `start` is odd.
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let mut x = [0.0; 10_000];
    /// Stream { seed: 7, stream: 0 }.uniform(0, &mut x);
    /// assert!((x.iter().sum::<f64>() / 10_000.0 - 0.5).abs() < 0.01);
    /// ```
    pub fn uniform(&self, start: u64, out: &mut [f64]) {
        in_pairs(
            *self,
            start,
            out,
            #[inline(always)]
            |pair| pair.map(unit),
        );
    }

    /// Numbers in [0, 1) with 24 random bits each, at the positions from an even one on. (The nearest floats to
    /// [`Stream::uniform`] may be 1.)
    ///
    /// # Panics
    /// `start` is odd.
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let mut x = [0.0; 10_000];
    /// Stream { seed: 7, stream: 0 }.uniform_f32(0, &mut x);
    /// assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
    /// ```
    pub fn uniform_f32(&self, start: u64, out: &mut [f32]) {
        // Vectors have conversions of signed 32-bit integers everywhere.
        let unit = |bits: u64| (bits >> 40) as i32 as f32 * (1.0 / (1u32 << 24) as f32);
        in_pairs(
            *self,
            start,
            out,
            #[inline(always)]
            |pair| pair.map(unit),
        );
    }

    /// Numbers of the standard normal distribution, at the positions from an even one on: Box and Muller's
    /// √(−2 ln u)·cos 2πv.
    ///
    /// # Panics
    /// `start` is odd.
    ///
    /// ```
    /// use chainrule_kernel::random::Stream;
    /// let mut x = [0.0; 10_000];
    /// Stream { seed: 7, stream: 0 }.normal(0, &mut x);
    /// assert!((x.iter().map(|x| x * x).sum::<f64>() / 10_000.0 - 1.0).abs() < 0.05);
    /// ```
    pub fn normal(&self, start: u64, out: &mut [f64]) {
        in_pairs(
            *self,
            start,
            out,
            #[inline(always)]
            |[u, v]| {
                let radius = (-2.0 * ln(1.0 - unit(u))).sqrt();
                // The two numbers of a pair are the sine and the cosine of the same angle.
                let v = unit(v);
                [radius * cos_turns(v), radius * cos_turns(v + 0.75)]
            },
        );
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

/// 53 of the bits as a number in [0, 1).
#[inline(always)]
fn unit(bits: u64) -> f64 {
    // Vectors have no conversion of 64-bit integers everywhere: the halves stand in the low bits of 2⁸⁴ and 2⁵².
    const HIGH: f64 = 19_342_813_113_834_066_795_298_816.0;
    const LOW: f64 = 4_503_599_627_370_496.0;
    let whole = bits >> 11;
    let high = f64::from_bits(HIGH.to_bits() | whole >> 32) - (HIGH + LOW);
    (high + f64::from_bits(LOW.to_bits() | whole & 0xFFFF_FFFF)) * (1.0 / (1u64 << 53) as f64)
}

/// Two positions' bits stand in the same four words.
#[inline(always)]
fn halves(words: [u32; 4]) -> [u64; 2] {
    let wide = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    [wide(words[0], words[1]), wide(words[2], words[3])]
}

multiversion! {
    /// Numbers made of two positions' bits at a time; several pairs, in vectors.
    fn in_pairs[T: Copy + Default, F: Fn([u64; 2]) -> [T; 2]](stream: Stream, start: u64, out: &mut [T], f: F) {
        const PAIRS: usize = 16;
        assert!(start.is_multiple_of(2), "numbers are made in pairs");
        let mut pair = start / 2;
        for out in out.chunks_mut(2 * PAIRS) {
            let mut numbers = [[T::default(); 2]; PAIRS];
            for (i, numbers) in numbers.iter_mut().enumerate() {
                *numbers = f(halves(stream.words(pair + i as u64)));
            }
            out.copy_from_slice(&numbers.as_flattened()[..out.len()]);
            pair += PAIRS as u64;
        }
    }
}

#[inline(always)]
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
#[inline(always)]
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
#[inline(always)]
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
        let mean = |x: &[f64], f: &dyn Fn(f64) -> f64| x.iter().map(|&x| f(x)).sum::<f64>() / x.len() as f64;
        let mut x = vec![0.0; n];
        stream.uniform(0, &mut x);
        assert!((mean(&x, &|x| x) - 0.5).abs() < 0.005);
        stream.normal(0, &mut x);
        assert!(mean(&x, &|x| x).abs() < 0.01);
        assert!((mean(&x, &|x| x.powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&x, &|x| x.powi(4)) - 3.0).abs() < 0.15);
        let digits: Vec<f64> = (0..n as u64).map(|i| stream.below(10, i) as f64).collect();
        assert!((mean(&digits, &|x| x) - 4.5).abs() < 0.05);
        let mut order = stream.permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, &x)| i == x));
    }
}
