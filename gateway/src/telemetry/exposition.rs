//! From OpenMetrics 1.0 to Prometheus' text format 0.0.4: the samples are the same, what is said about
//! them stands under the samples' own names.
//!
//! Knows the two formats and no metric.

use std::borrow::Cow;

/// Counters and infos are announced with their suffix, `info` becomes a gauge, units and the end mark go.
pub(super) fn to_prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // HELP comes before TYPE, which says what suffix the name needs.
    let mut help: Option<&str> = None;
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest);
        } else if let Some((name, kind)) = type_line(line) {
            let (name, kind) = announced(name, kind);
            if let Some((_, words)) = help.take().and_then(|help| help.split_once(' ')) {
                push(&mut text, &format!("# HELP {name} {words}"));
            }
            push(&mut text, &format!("# TYPE {name} {kind}"));
        } else {
            push(&mut text, line);
        }
    }
    text
}

fn type_line(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

fn announced<'a>(name: &'a str, kind: &'a str) -> (Cow<'a, str>, &'a str) {
    match kind {
        "counter" => (Cow::Owned(format!("{name}_total")), kind),
        "info" => (Cow::Owned(format!("{name}_info")), "gauge"),
        _ => (Cow::Borrowed(name), kind),
    }
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::to_prometheus;

    #[test]
    fn a_counter_is_announced_under_the_name_of_its_samples() {
        let open = "# HELP a_b Things.\n# TYPE a_b counter\n# UNIT a_b bytes\na_b_total 3\n\
                    # HELP c What runs.\n# TYPE c info\nc_info{version=\"1\"} 1\n\
                    # HELP d_seconds Time.\n# TYPE d_seconds histogram\nd_seconds_sum 0.5\n# EOF\n";
        let prometheus = "# HELP a_b_total Things.\n# TYPE a_b_total counter\na_b_total 3\n\
                    # HELP c_info What runs.\n# TYPE c_info gauge\nc_info{version=\"1\"} 1\n\
                    # HELP d_seconds Time.\n# TYPE d_seconds histogram\nd_seconds_sum 0.5\n";
        assert_eq!(to_prometheus(open), prometheus);
    }
}
