//! What changed between two texts, line by line, with the unchanged parts folded.

use std::time::Duration;

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

/// Unchanged lines that are shown around a change.
const AROUND: usize = 3;
/// A comparison that takes longer is told coarsely.
const WITHIN: Duration = Duration::from_millis(100);

/// Removed and added lines; says so where there are none.
pub fn lines(before: &str, after: &str) -> Markup {
    if before == after {
        return html! { p.quiet { "No difference." } };
    }
    let diff = TextDiff::configure()
        .timeout(WITHIN)
        .diff_lines(before, after);
    html! {
        div.diff role="group" aria-label="Difference" tabindex="0" {
            @for (index, group) in diff.grouped_ops(AROUND).iter().enumerate() {
                @if index > 0 { p.fold { "⋯" } }
                @for op in group {
                    @for change in diff.iter_changes(op) {
                        @let text = change.value().trim_end_matches('\n');
                        @match change.tag() {
                            ChangeTag::Delete => del { span.sign { "−" } (text) },
                            ChangeTag::Insert => ins { span.sign { "+" } (text) },
                            ChangeTag::Equal => span { span.sign { " " } (text) },
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_difference_is_shown_and_nothing_in_it_is_markup() {
        let shown = lines("a\n<script>x</script>\nc\n", "a\n<b>\nc\n").into_string();
        assert!(shown.contains("<del>"), "{shown}");
        assert!(shown.contains("&lt;script&gt;x&lt;/script&gt;"), "{shown}");
        assert!(!shown.contains("<script") && !shown.contains("<b>"));
        assert!(lines("a", "a").into_string().contains("No difference"));
    }
}
