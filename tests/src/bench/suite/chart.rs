//! The ratios as a picture: a bar for each figure that has a floor, on a logarithmic scale around 1.
//!
//! Text and rectangles, nothing else, so that it looks the same wherever an SVG can be shown.

use std::fmt::Write as _;

use super::book::{Figure, Outcome};

const ROW: f64 = 18.0;
const HEADING: f64 = 30.0;
const LABELS: f64 = 430.0;
const SCALE: f64 = 420.0;
const VALUES: f64 = 90.0;
const LEAST: f64 = 0.001;
const MOST: f64 = 1000.0;

pub(super) fn svg(outcomes: &[Outcome]) -> String {
    let bars = |outcome: &Outcome| {
        outcome
            .figures
            .iter()
            .filter(|figure| figure.ratio.is_some())
            .count()
    };
    let shown: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| bars(outcome) > 0)
        .collect();
    let height: f64 = shown
        .iter()
        .map(|outcome| HEADING + ROW * bars(outcome) as f64)
        .sum::<f64>()
        + 50.0;
    let width = LABELS + SCALE + VALUES;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\" fill=\"#1f2937\">Each figure as a multiple of its floor \
         from the same run</text>\n"
    );
    for exponent in -3..=3 {
        let (x, is_one) = (place(10_f64.powi(exponent)), exponent == 0);
        let colour = if is_one { "#6b7280" } else { "#e5e7eb" };
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" y1=\"40\" x2=\"{x:.1}\" y2=\"{:.0}\" stroke=\"{colour}\"/>\
             <text x=\"{x:.1}\" y=\"36\" text-anchor=\"middle\" fill=\"#6b7280\">{}x</text>",
            height - 8.0,
            10_f64.powi(exponent)
        );
    }
    let mut y = 46.0;
    for outcome in shown {
        y += HEADING - 10.0;
        let _ = writeln!(
            text,
            "<text x=\"12\" y=\"{y:.0}\" font-size=\"12\" font-weight=\"bold\" fill=\"#1f2937\">{}</text>",
            escaped(&outcome.name)
        );
        y += 10.0;
        for figure in &outcome.figures {
            if let Some(ratio) = figure.ratio {
                bar(&mut text, (figure, ratio), y);
                y += ROW;
            }
        }
    }
    text.push_str("</svg>\n");
    text
}

fn bar(text: &mut String, (figure, ratio): (&Figure, f64), y: f64) {
    let (one, end) = (place(1.0), place(ratio));
    let colour = match figure.goal {
        Some(goal) if !goal.is_met => "#dc2626",
        Some(_) => "#16a34a",
        None => "#2563eb",
    };
    let label = escaped(&format!("{}: {}", figure.case, figure.what));
    let _ = writeln!(
        text,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" fill=\"#374151\">{label}</text>\
         <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"10\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{:.0}\" fill=\"#374151\">{ratio:.3}x</text>",
        LABELS - 8.0,
        y + 9.0,
        one.min(end),
        y,
        (one - end).abs().max(1.0),
        LABELS + SCALE + 8.0,
        y + 9.0
    );
}

fn place(ratio: f64) -> f64 {
    let share = (ratio.clamp(LEAST, MOST).log10() - LEAST.log10()) / (MOST.log10() - LEAST.log10());
    LABELS + SCALE * share
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_begins_at_one_and_ends_at_its_ratio() {
        assert!((place(1.0) - (LABELS + SCALE / 2.0)).abs() < 1e-6);
        assert!((place(1e9) - (LABELS + SCALE)).abs() < 1e-6);
        assert!((place(0.0) - LABELS).abs() < 1e-6);
    }
}
