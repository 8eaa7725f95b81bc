//! Figures as people read them: sizes, times, counts, each beside its limit.

use std::time::Duration;

const KIB: u64 = 1024;

/// `812 B`, `62.3 KiB`, `1.1 MiB`.
pub(super) fn bytes(bytes: usize) -> String {
    let bytes = bytes as u64;
    let scaled = |unit: u64, name: &str| {
        let tenths = (bytes * 10).div_ceil(unit);
        if tenths.is_multiple_of(10) {
            format!("{} {name}", tenths / 10)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    };
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..1_048_576 => scaled(KIB, "KiB"),
        _ => scaled(KIB * KIB, "MiB"),
    }
}

/// `740 ns`, `41 µs`, `12.5 ms`, `2 s`.
pub(super) fn time(time: Duration) -> String {
    let ns = time.as_nanos();
    let scaled = |unit: u128, name: &str| {
        let tenths = ns * 10 / unit;
        if tenths >= 1000 || tenths.is_multiple_of(10) {
            format!("{} {name}", tenths / 10)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    };
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => scaled(1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
        _ => scaled(1_000_000_000, "s"),
    }
}

pub(super) fn us(us: u64) -> String {
    time(Duration::from_micros(us))
}

pub(super) fn us_of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// `12,345,678`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 case`, `2 cases`.
pub(super) fn plural(number: usize, one: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {one}{end}", count(number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(65_536), "64 KiB");
        assert_eq!(bytes(1_179_648), "1.2 MiB");
        assert_eq!(bytes(64 << 20), "64 MiB");
        assert_eq!(time(Duration::from_nanos(740)), "740 ns");
        assert_eq!(time(Duration::from_nanos(1_540)), "1.5 µs");
        assert_eq!(us(41), "41 µs");
        assert_eq!(us(12_540), "12.5 ms");
        assert_eq!(us(123_999), "123 ms");
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "case"), "1 case");
    }
}
