//! Quantities in units that read well.

/// Scales a number by a list of units, each `base` times the last, to three digits.
fn scaled(x: f64, base: f64, units: &[&str]) -> String {
    let mut size = x;
    let mut unit = 0;
    // 999.6 would be printed as 1000.
    while size.abs() >= base * 0.9995 && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", digits(size), units[unit])
}

/// Three significant digits; whole numbers below a thousand stay whole.
fn digits(x: f64) -> String {
    match x.abs() {
        _ if x.fract() == 0.0 && x.abs() < 1e3 => format!("{x:.0}"),
        large if large >= 99.95 => format!("{x:.0}"),
        middle if middle >= 9.995 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

/// A count: `1.23 M`.
///
/// ```
/// use chainrule::profile::count_text;
/// assert_eq!([950.0, 61_100_840.0, 714_188_480_000.0].map(count_text), ["950", "61.1 M", "714 G"]);
/// ```
pub fn count_text(count: f64) -> String {
    scaled(count, 1e3, &["", " k", " M", " G", " T", " P", " E", " Z"])
}

/// A whole number with a comma before each group of three digits.
///
/// ```
/// use chainrule::profile::grouped_text;
/// assert_eq!([950, 61_100_840].map(grouped_text), ["950", "61,100,840"]);
/// ```
pub fn grouped_text(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes: `244 MB` are 244 million.
///
/// ```
/// use chainrule::profile::bytes_text;
/// assert_eq!([12, 244_403_360].map(bytes_text), ["12 B", "244 MB"]);
/// ```
pub fn bytes_text(bytes: u64) -> String {
    scaled(bytes as f64, 1e3, &[" B", " kB", " MB", " GB", " TB", " PB"])
}

/// Seconds, up to years of 365.25 days.
///
/// ```
/// use chainrule::profile::time_text;
/// assert_eq!([0.0, 2.5e-6, 0.0123, 75.0, 7200.0, 1e6].map(time_text), ["0 s", "2.50 µs", "12.3 ms", "75 s", "2 h", "11.6 days"]);
/// ```
pub fn time_text(seconds: f64) -> String {
    const HOUR: f64 = 3600.0;
    const DAY: f64 = 24.0 * HOUR;
    const YEAR: f64 = 365.25 * DAY;
    match seconds {
        s if s <= 0.0 => "0 s".into(),
        s if s < 1.0 => scaled(s * 1e9, 1e3, &[" ns", " µs", " ms", " s"]),
        s if s < 120.0 => format!("{} s", digits(s)),
        s if s < 2.0 * HOUR => format!("{} min", digits(s / 60.0)),
        s if s < 2.0 * DAY => format!("{} h", digits(s / HOUR)),
        s if s < 2.0 * YEAR => format!("{} days", digits(s / DAY)),
        s => format!("{} years", digits(s / YEAR)),
    }
}

/// Joules, from a thousandth of a watt-hour on in watt-hours.
///
/// ```
/// use chainrule::profile::energy_text;
/// assert_eq!([2.0, 7.2e3, 3.6e9].map(energy_text), ["2 J", "2 Wh", "1 MWh"]);
/// ```
pub fn energy_text(joules: f64) -> String {
    match joules {
        j if j < 3600.0 => scaled(j * 1e3, 1e3, &[" mJ", " J", " kJ"]),
        j => scaled(j / 3600.0, 1e3, &[" Wh", " kWh", " MWh", " GWh", " TWh"]),
    }
}
