//! The JSON form of a request. Its memory follows the number of images that a request may have.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

use super::parameters::{Kind, UnparsedParameters};
use crate::config::MOST_IMAGES;
use crate::http::error::{ApiError, shown};
use crate::http::json_text::{told, without_byte_order_mark};

/// What is in the body.
pub(super) struct JsonUpload<'a> {
    pub(super) image: Option<Text<'a>>,
    pub(super) images: Option<Base64Texts<'a>>,
    /// Those of the query, and those of the members.
    pub(super) parameters: UnparsedParameters,
}

impl<'a> JsonUpload<'a> {
    /// Reads a body, after the parameters of the query.
    ///
    /// # Errors
    /// [`ApiError::InvalidJson`] when it is no JSON, or other JSON; [`ApiError::InvalidParameter`].
    pub(super) fn read(body: &'a [u8], parameters: UnparsedParameters) -> Result<Self, ApiError> {
        let mut json = serde_json::Deserializer::from_slice(without_byte_order_mark(body));
        let mut upload = Self { image: None, images: None, parameters };
        let members = Members { upload: &mut upload, refused: None };
        let refused = members.deserialize(&mut json).and_then(|refused| {
            json.end()?;
            Ok(refused)
        });
        match refused {
            Ok(None) => Ok(upload),
            Ok(Some(refused)) => Err(refused),
            Err(error) => Err(ApiError::InvalidJson(format!(
                "the body is not the JSON that is expected: {}",
                told(&error)
            ))),
        }
    }
}

/// Reads the members of the body's object into `upload`; returns the first parameter's error.
struct Members<'u, 'a> {
    upload: &'u mut JsonUpload<'a>,
    refused: Option<ApiError>,
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Members<'_, 'a> {
    type Value = Option<ApiError>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Members<'_, 'a> {
    type Value = Option<ApiError>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with `image` (base64) or `images` (an array of base64), and with ")?;
        let known = self.upload.parameters.known();
        for (index, parameter) in known.iter().enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == known.len() => " and ",
                _ => ", ",
            };
            write!(f, "{separator}`{}`", parameter.name)?;
        }
        f.write_str(" if wanted")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(Text(member)) = map.next_key()? {
            match member.as_ref() {
                "image" => once(&mut self.upload.image, map.next_value()?, "image")?,
                "images" => once(&mut self.upload.images, map.next_value()?, "images")?,
                name => {
                    let known = self.upload.parameters.known().iter();
                    match known.clone().find(|parameter| parameter.name == name) {
                        Some(parameter) => {
                            self.set(parameter.name, parameter.kind, map.next_value()?)?;
                        }
                        None => {
                            let known: String =
                                known.map(|known| format!(", `{}`", known.name)).collect();
                            return Err(A::Error::custom(format_args!(
                                "unknown field `{}`, expected one of `image`, `images`{known}",
                                shown(name)
                            )));
                        }
                    }
                }
            }
        }
        Ok(self.refused)
    }
}

/// The longest value of a parameter: a list of a hundred names, with room.
const MOST_PARAMETER_BYTES: usize = 16 << 10;

impl Members<'_, '_> {
    /// Sets a parameter to a value of its kind; anything else is refused when the whole body has been read.
    fn set<E: Error>(&mut self, name: &str, kind: Kind, value: Option<&RawValue>) -> Result<(), E> {
        let Some(value) = value.map(RawValue::get) else { return Ok(()) };
        if value.len() > MOST_PARAMETER_BYTES {
            let error = ApiError::InvalidParameter(format!(
                "{name} has more than {MOST_PARAMETER_BYTES} bytes; it must be {kind}"
            ));
            self.refused.get_or_insert(error);
            return Ok(());
        }
        let number = || serde_json::from_str(value).map(|n: Number| n.to_string());
        let text = || serde_json::from_str::<String>(value);
        let read = match kind {
            Kind::Number => number(),
            Kind::Flag => serde_json::from_str(value).map(|b: bool| b.to_string()),
            Kind::Text(_) => text(),
            Kind::Texts(_) if value.starts_with('[') => {
                serde_json::from_str::<Vec<String>>(value).map(|texts| texts.join(","))
            }
            Kind::Texts(_) => text(),
            Kind::NumberOrText(_) if value.starts_with('"') => text(),
            Kind::NumberOrText(_) => number(),
        };
        let set = match read {
            Ok(text) => self.upload.parameters.set(name, &text),
            Err(error) if error.is_syntax() && matches!(kind, Kind::Number) => {
                return Err(E::custom("number out of range"));
            }
            Err(_) => Err(ApiError::InvalidParameter(format!("{name} must be {kind}"))),
        };
        if let Err(error) = set {
            self.refused.get_or_insert(error);
        }
        Ok(())
    }
}

fn once<T, E: Error>(slot: &mut Option<T>, value: Option<T>, name: &'static str) -> Result<(), E> {
    match value {
        Some(_) if slot.is_some() => Err(E::duplicate_field(name)),
        Some(value) => {
            *slot = Some(value);
            Ok(())
        }
        None => Ok(()),
    }
}

/// A string that stays where it is in the body, unless it has escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string, an image in base64")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        input.deserialize_str(Any)
    }
}

/// A list of strings. What no configuration takes is counted, not kept.
pub(super) struct Base64Texts<'a> {
    pub(super) kept: Vec<Text<'a>>,
    pub(super) count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Base64Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Base64Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of images in base64")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < MOST_IMAGES {
                    match array.next_element()? {
                        Some(text) => kept.push(text),
                        None => return Ok(Base64Texts { count: kept.len(), kept }),
                    }
                }
                let mut count = kept.len();
                while array.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Base64Texts { kept, count })
            }
        }
        input.deserialize_seq(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::Parameter;
    use super::*;

    const KNOWN: &[Parameter] = &[
        Parameter { name: "top_k", kind: Kind::Number },
        Parameter { name: "min_probability", kind: Kind::Number },
        Parameter { name: "crops", kind: Kind::Number },
        Parameter { name: "groups", kind: Kind::Flag },
        Parameter { name: "sure", kind: Kind::Flag },
        Parameter { name: "sure_at", kind: Kind::Number },
        Parameter { name: "within", kind: Kind::Text("\"dog,n02121808\"") },
        Parameter { name: "class", kind: Kind::NumberOrText("\"n02121808\"") },
    ];

    fn read(json: &str) -> Result<JsonUpload<'_>, ApiError> {
        JsonUpload::read(json.as_bytes(), UnparsedParameters::none(KNOWN))
    }

    fn parameters(query: &str) -> UnparsedParameters {
        UnparsedParameters::from_query(KNOWN, query).unwrap()
    }

    #[test]
    fn a_parameter_may_be_a_number_or_a_text() {
        let class = |json| read(json).unwrap().parameters.get("class").map(str::to_owned);
        assert_eq!(class(r#"{"class": 7}"#).as_deref(), Some("7"));
        assert_eq!(class(r#"{"class": "tabby"}"#).as_deref(), Some("tabby"));
        let error = read(r#"{"class": [7]}"#).err().unwrap().to_string();
        assert_eq!(error, "class must be a number, or a text such as \"n02121808\"");
    }

    #[test]
    fn an_unknown_member_is_told_the_known_ones() {
        let error = read(r#"{"topk": 3}"#).err().unwrap().to_string();
        assert!(error.contains("unknown field `topk`, expected one of `image`, `images`, `top_k`"));
        let error = read("7").err().unwrap().to_string();
        assert!(error.contains("`sure_at`, `within` and `class` if wanted"), "{error}");
    }

    #[test]
    fn what_is_too_much_is_counted_and_not_kept() {
        let many = format!(r#"{{"images": [{}""]}}"#, r#""","#.repeat(MOST_IMAGES + 6));
        let images = read(&many).unwrap().images.unwrap();
        assert_eq!((images.kept.len(), images.count), (MOST_IMAGES, MOST_IMAGES + 7));
        let images = read(r#"{"images": ["a\/", "b"]}"#).unwrap().images.unwrap();
        assert_eq!((images.kept.len(), images.count), (2, 2));
        assert!(matches!(&images.kept[0].0, Cow::Owned(text) if text == "a/"));
        assert!(matches!(images.kept[1].0, Cow::Borrowed("b")));
    }

    #[test]
    fn a_parameter_is_a_number() {
        for value in ["[0, [1], 2]", r#"{"a": [1]}"#, r#""5""#, "true"] {
            let json = format!(r#"{{"top_k": {value}, "crops": 10, "min_probability": 0.25}}"#);
            assert_eq!(read(&json).err().unwrap().to_string(), "top_k must be a number", "{value}");
        }
        let upload = read(r#"{"top_k": null, "crops": 10, "min_probability": 0.25}"#).unwrap();
        assert_eq!(upload.parameters, parameters("crops=10&min_probability=0.25"));
    }

    #[test]
    fn a_parameter_may_be_a_flag_or_a_text() {
        let upload = read(
            r#"{"groups": true, "sure": false, "sure_at": 0.8, "within": "dog, big c\u0061t"}"#,
        );
        let expected = parameters("groups=true&sure=false&sure_at=0.8&within=dog,+big+cat");
        assert_eq!(upload.unwrap().parameters, expected);
        for (member, expected) in [
            (r#""groups": "true""#, "groups must be true or false"),
            (r#""sure": 1e999"#, "sure must be true or false"),
            (r#""within": ["dog"]"#, "within must be a text, such as \"dog,n02121808\""),
            (r#""within": "\ud800""#, "within must be a text, such as \"dog,n02121808\""),
        ] {
            let json = format!("{{{member}}}");
            assert_eq!(read(&json).err().unwrap().to_string(), expected, "{member}");
        }
    }

    #[test]
    fn a_parameter_may_be_repeated_and_not_contradicted() {
        let twice = |json: &'static str| JsonUpload::read(json.as_bytes(), parameters("top_k=3"));
        for same in [r#"{"top_k": 3}"#, r#"{"top_k": 3.0, "top_k": 3}"#, r#"{"top_k": null}"#] {
            assert_eq!(twice(same).unwrap().parameters, parameters("top_k=3"), "{same}");
        }
        let error = twice(r#"{"top_k": 5}"#).err().unwrap();
        assert_eq!(error.kind().code(), "invalid_parameter");
        assert_eq!(error.to_string(), "top_k is given twice, as `3` and as `5`: give it once");
        let error = read(r#"{"image": "a", "image": "a"}"#).err().unwrap();
        assert!(error.to_string().contains("duplicate field `image`"), "{error}");
    }
}
