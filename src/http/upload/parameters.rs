//! Parameters as a client wrote them, in the query, in fields of a form, in members of JSON, or in some of each.

use crate::http::error::{ApiError, shown};

/// A parameter that a route knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is as JSON.
    pub kind: Kind,
}

/// What a parameter is as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A text, such as this.
    Text(&'static str),
    /// A number, or a text such as this.
    NumberOrText(&'static str),
    /// One text or several, such as this; a parameter that is repeated has all of them.
    Texts(&'static str),
}

impl std::fmt::Display for Kind {
    /// Goes on from "must be".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number => f.write_str("a number"),
            Self::Flag => f.write_str("true or false"),
            Self::Text(example) => write!(f, "a text, such as {example}"),
            Self::Texts(example) => write!(f, "a text, such as {example}, or an array of texts"),
            Self::NumberOrText(example) => write!(f, "a number, or a text such as {example}"),
        }
    }
}

/// The parameters of a request; each has one value, a list has its texts, separated by commas.
#[derive(Clone, Debug, PartialEq)]
pub struct UnparsedParameters {
    known: &'static [Parameter],
    /// By their place among the known ones.
    values: Vec<Option<String>>,
}

impl UnparsedParameters {
    /// No parameters, on a route that knows these.
    pub fn none(known: &'static [Parameter]) -> Self {
        Self { known, values: vec![None; known.len()] }
    }

    /// Reads a query string, without its `?`.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] for a parameter that is unknown or given twice.
    pub fn from_query(known: &'static [Parameter], query: &str) -> Result<Self, ApiError> {
        let mut parameters = Self::none(known);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            parameters.set(&name, &value)?;
        }
        Ok(parameters)
    }

    /// The parameters that the route knows.
    pub fn known(&self) -> &'static [Parameter] {
        self.known
    }

    /// The value of a parameter, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(self.place(name)?)?.as_deref()
    }

    /// Whether there is a parameter of this name.
    pub fn is_name(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.known.iter().position(|parameter| parameter.name == name)
    }

    /// Sets one parameter.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] when there is none of this name, or it has another value already.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let place = self.place(name);
        let is_list = place.is_some_and(|place| matches!(self.known[place].kind, Kind::Texts(_)));
        let Some(slot) = place.and_then(|place| self.values.get_mut(place)) else {
            return Err(ApiError::InvalidParameter(format!(
                "there is no parameter `{}`: use {}",
                shown(name),
                listed(self.known)
            )));
        };
        match slot {
            Some(first) if is_list => {
                first.push(',');
                first.push_str(value);
                Ok(())
            }
            Some(first) if !is_same(first, value) => Err(ApiError::InvalidParameter(format!(
                "{name} is given twice, as `{}` and as `{}`: give it once",
                shown(first),
                shown(value)
            ))),
            Some(_) => Ok(()),
            None => {
                *slot = Some(value.to_owned());
                Ok(())
            }
        }
    }
}

/// `a, b or c`.
fn listed(known: &[Parameter]) -> String {
    let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// A parameter is out of its range.
pub fn invalid(name: &str, range: impl std::fmt::Display) -> ApiError {
    ApiError::InvalidParameter(format!("{name} must be {range}"))
}

/// `true`, and `True`, which clients in Python write into a form.
///
/// # Errors
/// [`ApiError::InvalidParameter`] when it is neither true nor false.
pub fn flag(name: &str, text: Option<&str>) -> Result<bool, ApiError> {
    match text {
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if !text.eq_ignore_ascii_case("false") => Err(invalid(name, "true or false")),
        _ => Ok(false),
    }
}

/// `3`, and `3.0`, which clients write that have one type of numbers only.
pub fn whole_number(text: &str) -> Option<usize> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    decimals.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok())?
}

/// Of two texts, whether they are one value.
fn is_same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    one == other || number(one).is_some_and(|one| Some(one) == number(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Parameter] = &[
        Parameter { name: "top_k", kind: Kind::Number },
        Parameter { name: "groups", kind: Kind::Flag },
        Parameter { name: "within", kind: Kind::Text("dog") },
        Parameter { name: "module", kind: Kind::Texts("inception_3a") },
    ];

    #[test]
    fn an_unknown_parameter_is_told_the_known_ones() {
        let error = UnparsedParameters::from_query(KNOWN, "topk=1").unwrap_err().to_string();
        assert_eq!(error, "there is no parameter `topk`: use top_k, groups, within or module");
    }

    #[test]
    fn a_parameter_may_be_repeated_and_not_contradicted() {
        let read = |query| UnparsedParameters::from_query(KNOWN, query);
        assert_eq!(read("top_k=3&top_k=3.0").unwrap().get("top_k"), Some("3"));
        assert_eq!(read("groups=true").unwrap().get("top_k"), None);
        assert_eq!(read("module=a&module=b,c").unwrap().get("module"), Some("a,b,c"));
        let error = read("top_k=3&top_k=5").unwrap_err().to_string();
        assert_eq!(error, "top_k is given twice, as `3` and as `5`: give it once");
    }
}
