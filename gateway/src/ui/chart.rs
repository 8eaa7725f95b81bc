//! Charts as SVG: bars stacked over time, and lines. Drawn without any inline style, so that a strict
//! policy lets them through and the style sheet's colours hold.

use maud::{Markup, html};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 180.0;
/// Room for the figures of the scale, and for the times below.
const LEFT: f64 = 52.0;
const BELOW: f64 = 20.0;
const ABOVE: f64 = 8.0;

/// What is drawn over time; `slots` of equal length, oldest first.
#[derive(Debug)]
pub struct Chart<'a> {
    /// For those who do not see it: what it shows, with its main figures.
    pub label: String,
    /// Each with the class that gives its colour, and one value a slot.
    pub series: Vec<(&'static str, Vec<Option<f64>>)>,
    pub unit: &'a str,
    /// Below the left end, the middle and the right end.
    pub times: [String; 3],
}

impl Chart<'_> {
    /// Bars on top of each other.
    pub fn stacked(&self) -> Markup {
        let slots = self.slots();
        let sum = |slot: usize| -> f64 {
            let values = self.series.iter();
            values.filter_map(|(_, values)| values[slot]).sum()
        };
        let top = nice((0..slots).map(sum).fold(0.0, f64::max));
        let step = (WIDTH - LEFT) / slots.max(1) as f64;
        let bars = (0..slots).flat_map(|slot| {
            let mut base = 0.0;
            self.series.iter().filter_map(move |(class, values)| {
                let value = values[slot].filter(|value| *value > 0.0)?;
                base += value;
                let height = value / top * (HEIGHT - ABOVE - BELOW);
                Some((*class, LEFT + step * slot as f64, y(base, top), height))
            })
        });
        self.framed(
            top,
            &html! {
                @for (class, x, y, height) in bars {
                    rect class=(class) x=(short(x)) y=(short(y)) width=(short((step - 1.0).max(0.6)))
                        height=(short(height.max(0.8))) {}
                }
            },
        )
    }

    /// A line a series; a slot without a value interrupts it.
    pub fn lined(&self) -> Markup {
        let slots = self.slots();
        let values = self.series.iter().flat_map(|(_, values)| values).flatten();
        let top = nice(values.copied().fold(0.0, f64::max));
        let step = (WIDTH - LEFT) / slots.max(1) as f64;
        self.framed(
            top,
            &html! {
                @for (class, values) in &self.series {
                    @for run in runs(values) {
                        @let at = |slot: usize| LEFT + step * (slot as f64 + 0.5);
                        @if let [(slot, value)] = run.as_slice() {
                            circle class=(format!("{class} dot")) cx=(short(at(*slot))) cy=(short(y(*value, top))) r="2" {}
                        } @else {
                            @let points: Vec<String> = run.iter()
                                .map(|(slot, value)| format!("{},{}", short(at(*slot)), short(y(*value, top))))
                                .collect();
                            polyline class=(format!("{class} line")) points=(points.join(" ")) {}
                        }
                    }
                }
            },
        )
    }

    fn slots(&self) -> usize {
        self.series.first().map_or(0, |(_, values)| values.len())
    }

    fn framed(&self, top: f64, drawn: &Markup) -> Markup {
        let ends = [
            ("start", LEFT),
            ("middle", (WIDTH + LEFT) / 2.0),
            ("end", WIDTH),
        ];
        html! {
            svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.label) {
                @for part in [0.0, 0.5, 1.0] {
                    @let line = y(top * part, top);
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(short(line)) y2=(short(line)) {}
                    text.scale x=(LEFT - 6.0) y=(short(line + 3.5)) text-anchor="end" {
                        (figure(top * part)) @if part == 1.0 { (self.unit) }
                    }
                }
                (drawn)
                @for ((anchor, x), time) in ends.iter().zip(&self.times) {
                    text.scale x=(short(*x)) y=(HEIGHT - 4.0) text-anchor=(anchor) { (time) }
                }
            }
        }
    }
}

/// Parts without a gap, as slots with their values.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut is_open = false;
    for (slot, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) if is_open => run.push((slot, *value)),
            (Some(value), _) => runs.push(vec![(slot, *value)]),
            (None, _) => {}
        }
        is_open = value.is_some();
    }
    runs
}

fn y(value: f64, top: f64) -> f64 {
    HEIGHT - BELOW - value / top * (HEIGHT - ABOVE - BELOW)
}

/// The next of 1, 2, 5, 10, 20 … that is not below the largest value.
fn nice(largest: f64) -> f64 {
    let mut top = 1.0;
    while top < largest {
        for factor in [2.0, 5.0, 10.0] {
            if top * factor >= largest {
                return top * factor;
            }
        }
        top *= 10.0;
    }
    top
}

fn figure(value: f64) -> String {
    match value {
        v if v >= 1_000_000.0 => format!("{}M", short(v / 1_000_000.0)),
        v if v >= 1_000.0 => format!("{}k", short(v / 1_000.0)),
        v => short(v),
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_figure() {
        for (largest, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (3.0, 5.0),
            (11.0, 20.0),
            (901.0, 1000.0),
        ] {
            assert_eq!(nice(largest), top, "{largest}");
        }
        assert_eq!(figure(2500.0), "2.5k");
    }

    #[test]
    fn a_gap_interrupts_a_line() {
        let values = [Some(1.0), Some(2.0), None, Some(3.0)];
        assert_eq!(runs(&values), [vec![(0, 1.0), (1, 2.0)], vec![(3, 3.0)]]);
    }

    #[test]
    fn a_chart_has_words_for_those_who_do_not_see_it_and_no_style_of_its_own() {
        let chart = Chart {
            label: "3 events".to_owned(),
            series: vec![("good", vec![Some(1.0), Some(2.0)])],
            unit: "",
            times: ["a".to_owned(), "b".to_owned(), "c".to_owned()],
        };
        for drawn in [chart.stacked(), chart.lined()] {
            let drawn = drawn.into_string();
            assert!(drawn.contains("aria-label=\"3 events\""), "{drawn}");
            assert!(!drawn.contains("style="), "{drawn}");
        }
    }
}
