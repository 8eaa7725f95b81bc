//! Instants as text. Plugins have no clock: these are the times that events carry.

use std::fmt::Write as _;

const DAY_MS: u64 = 86_400_000;
/// From 1 March of the year 0, where this calendar's years begin, to 1 January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_400_YEARS: u64 = 146_097;

/// RFC 3339 in UTC, with a fraction where there is one: `2026-01-01T00:00:00.5Z`, as Hookgate
/// itself writes times. `ms` counts milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn to_rfc3339(ms: u64) -> String {
    let (year, month, day) = date(ms / DAY_MS);
    let seconds = ms % DAY_MS / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if ms % 1000 != 0 {
        let _ = write!(text, ".{:03}", ms % 1000);
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('Z');
    text
}

/// Milliseconds since 1970-01-01T00:00:00Z of an RFC 3339 time; what is finer is cut off.
/// None where `text` is no such time, or lies before 1970.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<u64> {
    if !text.is_ascii() || text.len() < "2026-01-01T00:00:00Z".len() {
        return None;
    }
    let (start, rest) = text.split_at("2026-01-01T00:00:00".len());
    let at = |from: usize, to: usize| number(&start[from..to]);
    let marks = start.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b'T' | b't' | b' '),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let (year, month, day) = (at(0, 4)?, at(5, 7)?, at(8, 10)?);
    let (hour, minute, second) = (at(11, 13)?, at(14, 16)?, at(17, 19)?);
    let days = days(year, month, day);
    let is_date = (1..=12).contains(&month) && date_checked(days) == Some((year, month, day));
    if !marks || !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(fraction) => {
            let end = fraction.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, zone) = fraction.split_at(end);
            (fraction_ms(digits)?, zone)
        }
    };
    let local_ms = (days.checked_sub(DAYS_BEFORE_1970)?) * DAY_MS
        + (hour * 3600 + minute * 60 + second) * 1000
        + fraction_ms;
    let offset_ms = offset_minutes(zone)? * 60_000;
    local_ms.checked_add_signed(-offset_ms)
}

fn number(digits: &str) -> Option<u64> {
    digits.parse().ok()
}

fn fraction_ms(digits: &str) -> Option<u64> {
    let kept = &digits[..digits.len().min(3)];
    let scale = [1000, 100, 10, 1][kept.len()];
    Some(number(kept)? * scale)
}

fn offset_minutes(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let is_written_out = hours.len() == 2 && minutes.len() == 2;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let is_offset = is_written_out && hours < 24 && minutes < 60;
    is_offset.then(|| sign * i64::try_from(hours * 60 + minutes).unwrap_or(0))
}

/// Days from 1 March of the year 0 to this date, for years from 0 on; a month from 1 to 12.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // January and February end the year before, so that the leap day comes last.
    let (year, month) = match month {
        ..=2 if year == 0 => return 0,
        ..=2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    year * 365 + year / 4 - year / 100 + year / 400 + days_before(month) + day - 1
}

/// Days of a year that starts in March before its month `month`, which counts from 0.
fn days_before(month: u64) -> u64 {
    (month * 153 + 2) / 5
}

fn date_checked(days: u64) -> Option<(u64, u64, u64)> {
    days.checked_sub(DAYS_BEFORE_1970).map(date)
}

/// Year, month and day, `days` after 1 January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (cycles, rest) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    // Leap days that have gone by: one in 4 years, none in 100, one in 400.
    let year = (rest - rest / 1_460 + rest / 36_524 - rest / 146_096) / 365;
    let day = rest - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - days_before(month) + 1;
    let year = cycles * 400 + year + u64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_and_its_text_mean_each_other() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (1_767_225_600_500, "2026-01-01T00:00:00.5Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(to_rfc3339(ms), text);
            assert_eq!(from_rfc3339(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn every_day_of_six_centuries_comes_back() {
        for day in 0..219_000 {
            let ms = day * DAY_MS + 43_200_001;
            assert_eq!(from_rfc3339(&to_rfc3339(ms)), Some(ms));
        }
    }

    #[test]
    fn offsets_and_fractions_are_read_and_other_text_is_not() {
        assert_eq!(from_rfc3339("1970-01-01T01:00:00.123456+01:00"), Some(123));
        assert_eq!(from_rfc3339("1969-12-31T23:59:59Z"), None);
        assert_eq!(from_rfc3339("1970-01-01t00:00:01z"), Some(1000));
        for wrong in [
            "",
            "2026-01-01",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00+24:00",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Zé",
        ] {
            assert_eq!(from_rfc3339(wrong), None, "{wrong}");
        }
    }
}
