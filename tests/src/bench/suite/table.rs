//! The result as tables in Markdown, one a benchmark.

use std::fmt::Write as _;

use super::book::{Figure, Goal, Outcome};

pub(super) fn markdown(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let length = if outcome.is_short { "short" } else { "long" };
        let _ = writeln!(
            text,
            "## {}\n\n{}. {} form, {}, {:.0} s.\n",
            outcome.name, outcome.shows, length, outcome.measured_at, outcome.took_seconds
        );
        text.push_str(
            "| case | what | value | floor | ratio | bound |\n|---|---|--:|--:|--:|---|\n",
        );
        for figure in &outcome.figures {
            let _ = writeln!(text, "{}", row(figure));
        }
        for note in &outcome.notes {
            let _ = writeln!(text, "\nNote: {note}.");
        }
        let ledger = outcome.ledger;
        let _ = writeln!(
            text,
            "\nLedger: {} events sent, {} acknowledged, {} arrivals, {} missing, {} duplicates.\n",
            ledger.sent, ledger.acknowledged, ledger.arrived, ledger.missing, ledger.duplicates
        );
    }
    text
}

fn row(figure: &Figure) -> String {
    let floor = figure.floor.map_or_else(String::new, number);
    let ratio = figure
        .ratio
        .map_or_else(String::new, |ratio| format!("{}x", number(ratio)));
    format!(
        "| {} | {} | {} {} | {floor} | {ratio} | {} |",
        figure.case,
        figure.what,
        number(figure.value),
        figure.unit,
        figure.goal.map_or_else(String::new, goal)
    )
}

fn goal(goal: Goal) -> String {
    let of = if goal.of_floor { " of the floor" } else { "" };
    let bound = match (goal.at_least, goal.at_most) {
        (Some(bound), _) => format!("≥ {}", number(bound)),
        (_, Some(bound)) => format!("≤ {}", number(bound)),
        (None, None) => String::new(),
    };
    let verdict = if goal.is_met { "kept" } else { "**missed**" };
    format!("{bound}{of}: {verdict}")
}

/// Three digits that count, thousands apart.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => grouped(value.round()),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        large if large >= 0.01 || value == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in [
            (0.0, "0.00"),
            (0.00123, "0.0012"),
            (0.4567, "0.46"),
            (12.345, "12.3"),
            (456.7, "457"),
            (1_234_567.8, "1,234,568"),
            (-1_234.0, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_row_says_whether_its_bound_was_kept() {
        let figure = Figure {
            case: "fan-out 1".to_owned(),
            what: "deliveries".to_owned(),
            value: 20_000.0,
            unit: "/s".to_owned(),
            floor: Some(80_000.0),
            ratio: Some(0.25),
            goal: Some(Goal {
                at_least: Some(0.4),
                at_most: None,
                of_floor: true,
                is_met: false,
            }),
        };
        assert_eq!(
            row(&figure),
            "| fan-out 1 | deliveries | 20,000 /s | 80,000 | 0.25x | ≥ 0.40 of the floor: **missed** |"
        );
    }
}
