// Table 1 of the paper, as printed: Szegedy et al., Going Deeper with Convolutions, 2014, arXiv:1409.4842.

/**
 * The rows of the inception modules: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj; thousands of parameters;
 * millions of operations.
 * @type {{ module: string, six: number[], thousands: number, millions: number }[]}
 */
export const TABLE_1 = [
  { module: "inception_3a", six: [64, 96, 128, 16, 32, 32], thousands: 159, millions: 128 },
  { module: "inception_3b", six: [128, 128, 192, 32, 96, 64], thousands: 380, millions: 304 },
  { module: "inception_4a", six: [192, 96, 208, 16, 48, 64], thousands: 364, millions: 73 },
  { module: "inception_4b", six: [160, 112, 224, 24, 64, 64], thousands: 437, millions: 88 },
  { module: "inception_4c", six: [128, 128, 256, 24, 64, 64], thousands: 463, millions: 100 },
  { module: "inception_4d", six: [112, 144, 288, 32, 64, 64], thousands: 580, millions: 119 },
  { module: "inception_4e", six: [256, 160, 320, 32, 128, 128], thousands: 840, millions: 170 },
  { module: "inception_5a", six: [256, 160, 320, 32, 128, 128], thousands: 1072, millions: 54 },
  { module: "inception_5b", six: [384, 192, 384, 48, 128, 128], thousands: 1388, millions: 71 },
];

export const COLUMNS = ["#1×1", "#3×3 reduce", "#3×3", "#5×5 reduce", "#5×5", "pool proj"];
