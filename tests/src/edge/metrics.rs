//! Prometheus text, read.

/// A scrape.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: Vec<Sample>,
}

/// One line of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name, with its suffix.
    pub name: String,
    /// Labels in the order they stand.
    pub labels: Vec<(String, String)>,
    /// Value.
    pub value: f64,
}

impl Metrics {
    /// Reads a scrape.
    ///
    /// # Panics
    /// When a line is none of the text format.
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self {
            samples: lines
                .map(|line| sample(line).unwrap_or_else(|| panic!("metric line {line:?}")))
                .collect(),
        }
    }

    /// Sum of the samples of `name` whose labels hold all of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).iter().map(|sample| sample.value).sum()
    }

    /// The samples of `name` whose labels hold all of `labels`.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let holds = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(k, v)| sample.labels.iter().any(|(a, b)| a == k && b == v))
        };
        self.samples.iter().filter(holds).collect()
    }

    /// All samples.
    pub fn all(&self) -> &[Sample] {
        &self.samples
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = match line.find('}') {
        Some(_) => {
            let end = line.rfind("} ")?;
            (&line[..=end], &line[end + 2..])
        }
        None => line.split_once(' ')?,
    };
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, pairs(labels.strip_suffix('}')?)?),
        None => (head, Vec::new()),
    };
    let value = value.split(' ').next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

fn pairs(mut text: &str) -> Option<Vec<(String, String)>> {
    let mut out = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (at, '"') => break at,
                (_, other) => value.push(other),
            }
        };
        out.push((name.to_owned(), value));
        text = rest.get(end + 1..)?.trim_start_matches(',');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_is_read_with_labels_and_escapes() {
        let text = "# TYPE a counter\na_total{x=\"1\",y=\"q\\\"}\"} 2\na_total{x=\"2\"} 3.5\nb 7\n";

        let metrics = Metrics::read(text);

        assert_eq!(metrics.sum("a_total", &[]), 5.5);
        assert_eq!(metrics.sum("a_total", &[("y", "q\"}")]), 2.0);
        assert_eq!(metrics.sum("b", &[]), 7.0);
    }
}
