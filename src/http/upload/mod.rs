//! Images and parameters, in the three forms in which a request brings them.
//!
//! | file | what it is |
//! |---|---|
//! | `upload_form` | which of the three forms a body has |
//! | `form`, `content_disposition` | `multipart/form-data` |
//! | `json` | base64 in JSON |
//! | `parameters` | the parameters that a route knows, as a client wrote them |
//! | `images` | one image or several |

mod content_disposition;
mod form;
mod images;
mod json;
mod parameters;
mod upload_form;

pub use images::{Upload, Uploaded};
pub use parameters::{Kind, Parameter, UnparsedParameters, flag, invalid, whole_number};
pub use upload_form::{UploadForm, read_upload};
