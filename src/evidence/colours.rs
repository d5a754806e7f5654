//! From a value to a colour: blue for what speaks against, white for nothing, orange for what speaks for. People who do
//! not see red or green tell the two apart; the shade follows the value, which that of a rainbow does not.

/// RGB, 0..=255.
pub(super) type Colour = [u8; 3];

/// What speaks for.
const FOR: Colour = [230, 97, 1];
/// What speaks against.
const AGAINST: Colour = [33, 102, 172];
/// Nothing.
const NOTHING: Colour = [255, 255, 255];

/// `value` in -1..=1, over white.
pub(super) fn over_white(value: f32) -> Colour {
    over(NOTHING, value, 1.0)
}

/// `value` in -1..=1 over `below`, which shows through: wholly at 0, and by `1 - most` at 1 and -1.
pub(super) fn over(below: Colour, value: f32, most: f32) -> Colour {
    let colour = if value < 0.0 { AGAINST } else { FOR };
    let share = value.abs().min(1.0) * most;
    std::array::from_fn(|channel| {
        let (from, to) = (f32::from(below[channel]), f32::from(colour[channel]));
        (from + (to - from) * share).round() as u8
    })
}

/// The grey of a colour, half as dark: colours over it are told from those of the photo.
pub(super) fn pale_grey([red, green, blue]: Colour) -> Colour {
    // Rec. 601.
    let grey = 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
    [(255.0 - (255.0 - grey) * 0.7).round() as u8; 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_transparent_and_the_signs_differ() {
        assert_eq!(over([1, 2, 3], 0.0, 0.7), [1, 2, 3]);
        assert_eq!(over_white(0.0), NOTHING);
        assert_eq!((over_white(1.0), over_white(-1.0)), (FOR, AGAINST));
        assert_eq!(over_white(7.0), FOR, "what is beyond the scale is its end");
        // Orange has more red than blue, and blue more blue than red, at every shade.
        for step in 1..=10 {
            let value = step as f32 / 10.0;
            let ([red, _, blue], [red_against, _, blue_against]) =
                (over_white(value), over_white(-value));
            assert!(red > blue && blue_against > red_against, "{value}");
        }
    }

    #[test]
    fn greys_are_pale() {
        assert_eq!(pale_grey([255; 3]), [255; 3]);
        let [r, g, b] = pale_grey([0; 3]);
        assert!(r == g && g == b && (70..90).contains(&r));
    }
}
