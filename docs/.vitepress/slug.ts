/** The anchor that GitHub gives to a heading. The site gives the same, so that a link to a heading works in both places. */
export function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}
