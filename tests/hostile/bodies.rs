//! Forms and JSON of many images, or of none.

use super::File;

const FORM: &str = "multipart/form-data; boundary=x";
const JSON: &str = "application/json";

fn part(name: &str, content: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

pub fn files() -> impl Iterator<Item = File> {
    let parts = |name: &str, count: usize| part(name, "").repeat(count) + "--x--\r\n";
    [
        ("form, 300,000 images of 0 bytes", FORM, parts("image", 300_000)),
        ("form, 32 images of 0 bytes", FORM, parts("image", 32)),
        ("form, 300,000 other parts", FORM, parts("other", 300_000)),
        ("form, 300,000 parameters", FORM, parts("top_k", 300_000)),
        ("form, a name of 19 MB", FORM, part(&"n".repeat(19_000_000), "")),
        ("json, 5 million images of 0 bytes", JSON, images("\"\"", 5_000_000)),
        ("json, 9 million numbers", JSON, images("1", 9_000_000)),
        ("json, 9 million lists", JSON, images(&"[".repeat(9_000_000), 1)),
        ("json, 2 million members", JSON, format!("{{{}\"b\":1}}", "\"a\":1,".repeat(2_000_000))),
    ]
    .into_iter()
    .map(|(name, content_type, body)| File {
        name: name.to_owned(),
        bytes: body.into_bytes(),
        content_type,
    })
}

fn images(one: &str, count: usize) -> String {
    format!("{{\"images\":[{}]}}", vec![one; count].join(","))
}
