//! `ParameterFilters`. AWS docs: *API Reference > ParameterStringFilter*.

use haar_ssm_contract::{
    InvalidFilterOption, InvalidFilterValue, ParameterStringFilter, ParametersFilter,
    ParametersFilterKey,
};
use haar_wire::AwsError;

use crate::rules::name::prefix_of_path;
use crate::state::{ParameterRow, VersionRow};

/// One condition on a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    key: String,
    option: String,
    values: Vec<String>,
}

/// Filters that `GetParametersByPath` takes.
pub(crate) const BY_PATH: &[&str] = &["Type", "KeyId", "Label"];
/// Filters that `DescribeParameters` takes, beside `tag:…`.
pub(crate) const DESCRIBE: &[&str] = &["Name", "Type", "KeyId", "Path", "Tier", "DataType"];

/// Reads a request's filters; `keys` are those that the operation knows.
pub(crate) fn read(
    filters: Option<Vec<ParameterStringFilter>>,
    keys: &[&str],
) -> Result<Vec<Filter>, AwsError> {
    let mut read = Vec::new();
    for filter in filters.unwrap_or_default() {
        let is_tag = filter.key.starts_with("tag:") && keys.contains(&"Name");
        if !is_tag && !keys.contains(&filter.key.as_str()) {
            let text = format!(
                "The following filter key is not valid: {}. Valid filter keys include: [{}].",
                filter.key,
                keys.join(", ")
            );
            return Err(AwsError::new("InvalidFilterKey", 400, text));
        }
        read.push(one(filter)?);
    }
    Ok(read)
}

fn one(filter: ParameterStringFilter) -> Result<Filter, AwsError> {
    let options: &[&str] = match filter.key.as_str() {
        "Name" => &["BeginsWith", "Contains", "Equals"],
        "Path" => &["Recursive", "OneLevel"],
        _ => &["BeginsWith", "Equals"],
    };
    let default = if filter.key == "Path" { "OneLevel" } else { "Equals" };
    let option = filter.option.unwrap_or_else(|| default.to_owned());
    if !options.contains(&option.as_str()) {
        let text = format!(
            "The following filter option is not valid: {option}. Valid options include: [{}].",
            options.join(", ")
        );
        return Err(InvalidFilterOption::message(text).into());
    }
    let mut values = filter.values.unwrap_or_default();
    if values.is_empty() && !filter.key.starts_with("tag:") {
        let text =
            format!("The following filter values are missing : null for filter key {}", filter.key);
        return Err(InvalidFilterValue::message(text).into());
    }
    if filter.key == "Path" {
        values = values.iter().map(|path| prefix_of_path(path)).collect::<Result<_, _>>()?;
    }
    Ok(Filter { key: filter.key, option, values })
}

/// The older kind of filters: names begin so, types and keys are so.
pub(crate) fn older(filters: Option<Vec<ParametersFilter>>) -> Vec<Filter> {
    let filter = |filter: ParametersFilter| {
        let begins = filter.key == ParametersFilterKey::Name;
        let option = if begins { "BeginsWith" } else { "Equals" };
        Filter { key: filter.key.to_string(), option: option.to_owned(), values: filter.values }
    };
    filters.unwrap_or_default().into_iter().map(filter).collect()
}

impl Filter {
    /// Whether a parameter, with its newest version, is as wished.
    pub(crate) fn fits(&self, row: &ParameterRow, version: &VersionRow) -> bool {
        let name = &row.key.2;
        match self.key.as_str() {
            "Name" => self.any(name),
            "Path" => self.values.iter().any(|prefix| {
                let rest = name.strip_prefix(prefix.as_str());
                rest.is_some_and(|rest| self.option == "Recursive" || !rest.contains('/'))
            }),
            "Type" => self.any(version.kind.as_str()),
            "KeyId" => version.key_id.as_ref().is_some_and(|key| self.any(key)),
            "Tier" => self.any(version.tier.as_str()),
            "DataType" => self.any(&version.data_type),
            "Label" => version.labels.iter().any(|label| self.any(label)),
            key => {
                let value = key.strip_prefix("tag:").and_then(|key| row.tags.get(key));
                value.is_some_and(|value| self.values.is_empty() || self.any(value))
            }
        }
    }

    fn any(&self, text: &str) -> bool {
        self.values.iter().any(|value| match self.option.as_str() {
            "BeginsWith" => text.starts_with(value.as_str()),
            "Contains" => text.contains(value.as_str()),
            _ => text == value,
        })
    }

    /// Names the filter in page tokens.
    pub(crate) fn scope(&self) -> String {
        format!("{self:?}")
    }
}
