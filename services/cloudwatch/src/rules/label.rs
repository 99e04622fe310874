//! Labels with placeholders.
//!
//! AWS docs: *Amazon CloudWatch User Guide > Using dynamic labels*.

use std::collections::BTreeMap;

use super::math::Series;

/// Fills `${MAX}`, `${LABEL}`, `${PROP('Dim.FunctionName')}` and their kin; what is unknown
/// stays as it is.
pub(crate) fn fill(
    template: &str,
    series: &Series,
    properties: &BTreeMap<String, String>,
) -> String {
    let (mut filled, mut rest) = (String::new(), template);
    while let Some((before, behind)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            filled.push_str("${");
            rest = behind;
            continue;
        };
        match value(name.trim(), series, properties) {
            Some(text) => filled.push_str(&text),
            None => filled.push_str(&format!("${{{name}}}")),
        }
        rest = after;
    }
    filled + rest
}

fn value(name: &str, series: &Series, properties: &BTreeMap<String, String>) -> Option<String> {
    if let Some(property) = name.strip_prefix("PROP(").and_then(|rest| rest.strip_suffix(')')) {
        return properties.get(property.trim_matches(['\'', '"'])).cloned();
    }
    let values = || series.points.values().copied();
    let count = series.points.len();
    let number = match name {
        "LABEL" => return Some(series.label.clone()),
        "DATAPOINT_COUNT" => Some(count as f64),
        "SUM" => Some(values().sum()),
        "AVG" => Some(values().sum::<f64>() / count as f64),
        "MIN" => values().reduce(f64::min),
        "MAX" => values().reduce(f64::max),
        "FIRST" => values().next(),
        "LAST" => values().next_back(),
        _ => return None,
    };
    Some(number.filter(|number| number.is_finite()).map_or_else(|| "--".to_owned(), shown))
}

/// At most three decimals.
fn shown(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_the_unknown_stay() {
        let points = [(0, 1.0), (60, 2.5)].into();
        let series = Series { label: "Errors".to_owned(), period_s: 60, points };
        let properties = BTreeMap::from([("Dim.F".to_owned(), "hello".to_owned())]);
        let template = "${LABEL} of ${PROP('Dim.F')}: ${MAX}, ${AVG} ${ODD} ${";
        let filled = fill(template, &series, &properties);
        assert_eq!(filled, "Errors of hello: 2.5, 1.75 ${ODD} ${");
        assert_eq!(fill("${MIN}", &Series::default(), &properties), "--");
    }
}
