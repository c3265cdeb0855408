//! The exposition formats: Prometheus text 0.0.4 and OpenMetrics 1.0.
//!
//! An encoder of our own, because the client library writes OpenMetrics only, while curl and older scrapers ask
//! for 0.0.4, and because our numbers live outside its registry. Both formats carry the same series with the same
//! label values (`le="1.0"` in both), so a scraper may change its mind without making new series.
//! Knows nothing of what is measured.

use super::super::names::{Family, Kind};
use super::cell::{Bounds, Total};
use std::fmt::{Display, Write};

/// Which exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
}

impl Format {
    /// What the client asked for in its `Accept`.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// The `Content-Type` of an answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Labels in their written form, `a="1",b="2"`: sorts and compares, so it is what series are merged by.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels(String);

impl Labels {
    /// Adds a label; an empty value means the label is absent.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        escape(&mut self.0, value);
        self.0.push('"');
        self
    }
}

/// Writes one document.
#[derive(Debug)]
pub(super) struct Encoder {
    out: String,
    format: Format,
}

impl Encoder {
    /// An empty document.
    pub(super) fn new(format: Format) -> Self {
        Self { out: String::with_capacity(16 << 10), format }
    }

    /// Ends the document.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    /// Writes one family of numbers; nothing when there are no series.
    pub(super) fn numbers<V: Display>(
        &mut self,
        family: &Family,
        series: impl IntoIterator<Item = (Labels, V)>,
    ) {
        let mut series = series.into_iter().peekable();
        if series.peek().is_some() {
            self.head(family);
        }
        for (labels, value) in series {
            self.sample(family.name, "", &labels.0, &value);
        }
    }

    /// Writes one family of a single number without labels.
    pub(super) fn number(&mut self, family: &Family, value: impl Display) {
        self.numbers(family, [(Labels::default(), value)]);
    }

    /// Writes one family of histograms; nothing when there are no series.
    pub(super) fn histograms<'a, const N: usize>(
        &mut self,
        family: &Family,
        bounds: &Bounds<N>,
        series: impl IntoIterator<Item = (&'a Labels, &'a Total<N>)>,
    ) {
        let mut series = series.into_iter().peekable();
        if series.peek().is_some() {
            self.head(family);
        }
        for (labels, total) in series {
            self.histogram(family.name, bounds, &labels.0, total);
        }
    }

    fn histogram<const N: usize>(&mut self, name: &str, bounds: &Bounds<N>, labels: &str, total: &Total<N>) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0_u64;
        for (bound, bucket) in bounds.raw.iter().zip(&total.buckets) {
            below = below.wrapping_add(*bucket);
            let bound = scaled(*bound, bounds.per_unit);
            self.sample(name, "_bucket", &format!("{labels}{comma}le=\"{bound:?}\""), &below);
        }
        let count = total.count();
        self.sample(name, "_bucket", &format!("{labels}{comma}le=\"+Inf\""), &count);
        self.sample(name, "_sum", labels, &scaled(total.sum, bounds.per_unit));
        self.sample(name, "_count", labels, &count);
    }

    fn head(&mut self, family: &Family) {
        // OpenMetrics names a counter's family without `_total`; 0.0.4 with it.
        let name = match self.format {
            Format::OpenMetrics => family.name.strip_suffix("_total").unwrap_or(family.name),
            Format::Text => family.name,
        };
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing into a String cannot fail.
        let _ok = writeln!(self.out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        if self.format == Format::OpenMetrics && !family.unit.is_empty() {
            let _ok = writeln!(self.out, "# UNIT {name} {}", family.unit);
        }
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &str, value: &impl Display) {
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        let _ok = writeln!(self.out, "{name}{suffix}{open}{labels}{close} {value}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples are floating point by their format")]
fn scaled(raw: u64, per_unit: f64) -> f64 {
    raw as f64 / per_unit
}

/// Escapes a label value: backslash, quote and line feed, by the format's rules.
fn escape(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::{Histogram, SIZE};
    use super::*;

    const COUNTER: Family =
        Family { name: "things_seconds_total", kind: Kind::Counter, unit: "seconds", help: "Things." };

    #[test]
    fn label_values_are_escaped() {
        let labels = Labels::default().with("a", "x\"y\\z\n").with("b", "é");

        assert_eq!(labels.0, r#"a="x\"y\\z\n",b="é""#);
    }

    #[test]
    fn an_empty_label_is_absent() {
        assert_eq!(Labels::default().with("a", "").with("b", "1").0, r#"b="1""#);
    }

    #[test]
    fn the_old_format_keeps_total_in_the_family_name() {
        let mut encoder = Encoder::new(Format::Text);

        encoder.number(&COUNTER, 3);

        assert_eq!(
            encoder.finish(),
            "# HELP things_seconds_total Things.\n# TYPE things_seconds_total counter\nthings_seconds_total 3\n"
        );
    }

    #[test]
    fn openmetrics_names_the_unit_and_ends_with_eof() {
        let mut encoder = Encoder::new(Format::OpenMetrics);

        encoder.number(&COUNTER, 3);

        assert_eq!(
            encoder.finish(),
            "# HELP things_seconds Things.\n# TYPE things_seconds counter\n# UNIT things_seconds seconds\n\
             things_seconds_total 3\n# EOF\n"
        );
    }

    #[test]
    fn buckets_are_cumulative_and_end_in_infinity() {
        let family = Family { name: "size_bytes", kind: Kind::Histogram, unit: "bytes", help: "Size." };
        let histogram = Histogram::default();
        [0, 1024, 1 << 30].into_iter().for_each(|size| histogram.observe(&SIZE, size));
        let (mut total, labels) = (Total::default(), Labels::default().with("a", "1"));
        total.absorb(&histogram);

        let mut encoder = Encoder::new(Format::Text);
        encoder.histograms(&family, &SIZE, [(&labels, &total)]);

        let text = encoder.finish();
        assert!(text.contains("size_bytes_bucket{a=\"1\",le=\"0.0\"} 1\n"), "{text}");
        assert!(text.contains("size_bytes_bucket{a=\"1\",le=\"1024.0\"} 2\n"), "{text}");
        assert!(text.contains("size_bytes_bucket{a=\"1\",le=\"67108864.0\"} 2\n"), "{text}");
        assert!(text.contains("size_bytes_bucket{a=\"1\",le=\"+Inf\"} 3\n"), "{text}");
        assert!(text.contains("size_bytes_sum{a=\"1\"} 1073742848\n"), "{text}");
        assert!(text.ends_with("size_bytes_count{a=\"1\"} 3\n"), "{text}");
    }

    #[test]
    fn a_family_without_series_is_not_written() {
        let mut encoder = Encoder::new(Format::Text);

        encoder.numbers::<u64>(&COUNTER, []);

        assert_eq!(encoder.finish(), "");
    }
}
