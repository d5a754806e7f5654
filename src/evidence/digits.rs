//! Numbers in a picture: digits of 3x5 dots.

/// Dots of a character in a row; one more is left free before the next.
pub(super) const WIDTH: usize = 3;
/// Rows of dots.
pub(super) const HEIGHT: usize = 5;

/// The dots of a character, row by row, three bits each; none for what is not part of a number.
#[rustfmt::skip] // drawings
fn dots(character: char) -> Option<[u8; HEIGHT]> {
    Some(match character {
        '0' => [0b111, 0b101, 0b101, 0b101, 0b111],
        '1' => [0b010, 0b110, 0b010, 0b010, 0b111],
        '2' => [0b111, 0b001, 0b111, 0b100, 0b111],
        '3' => [0b111, 0b001, 0b111, 0b001, 0b111],
        '4' => [0b101, 0b101, 0b111, 0b001, 0b001],
        '5' => [0b111, 0b100, 0b111, 0b001, 0b111],
        '6' => [0b111, 0b100, 0b111, 0b101, 0b111],
        '7' => [0b111, 0b001, 0b010, 0b010, 0b010],
        '8' => [0b111, 0b101, 0b111, 0b101, 0b111],
        '9' => [0b111, 0b101, 0b111, 0b001, 0b111],
        '+' => [0b000, 0b010, 0b111, 0b010, 0b000],
        '-' => [0b000, 0b000, 0b111, 0b000, 0b000],
        '.' => [0b000, 0b000, 0b000, 0b000, 0b010],
        _ => return None,
    })
}

/// Width of `text` in dots.
pub(super) fn width(text: &str) -> usize {
    (text.chars().count() * (WIDTH + 1)).saturating_sub(1)
}

/// The dots of `text`, `(column, row)` each.
pub(super) fn of(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.chars().enumerate().flat_map(|(index, character)| {
        let rows = dots(character).unwrap_or_default();
        let dots = (0..HEIGHT).flat_map(move |row| (0..WIDTH).map(move |column| (column, row)));
        dots.filter(move |&(column, row)| rows[row] >> (WIDTH - 1 - column) & 1 == 1)
            .map(move |(column, row)| (index * (WIDTH + 1) + column, row))
    })
}

/// A number of at most six characters.
pub(super) fn number(value: f32) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 => return if value < 0.0 { "-999".into() } else { "+999".into() },
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:+.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_drawn_within_its_width() {
        for value in [0.0, 0.31, -2.126, 9.87, 18.4, -731.0, 5e9, -5e9] {
            let text = number(value);
            assert!(text.len() <= 6, "{text}");
            assert!(text.chars().all(|c| dots(c).is_some()), "{text}");
            assert!(of(&text).all(|(column, row)| column < width(&text) && row < HEIGHT), "{text}");
        }
        assert_eq!(number(-2.126), "-2.13");
        assert_eq!(of("1").count(), 8);
    }
}
