/** Draws line charts as SVG, without a library and without a script. */

export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Panel {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly curves: readonly Curve[]
}

const WIDTH = 520
const HEIGHT = 340
const LEFT = 74
const RIGHT = 24
const TOP = 54
const BOTTOM = 54
const COLOURS = ['#0a7f5a', '#c2410c', '#3b5bdb']
const GREY = '#777'
const TICKS = 5

/** Draws the panels side by side. The x axis is logarithmic, the y axis begins at 0. */
export function plot(panels: readonly Panel[]): string {
  const drawn = panels.map((panel, n) => `<g transform="translate(${n * WIDTH} 0)">${drawPanel(panel)}</g>`)
  const size = `width="${panels.length * WIDTH}" height="${HEIGHT}" viewBox="0 0 ${panels.length * WIDTH} ${HEIGHT}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="system-ui, sans-serif" font-size="12">
<title>Throughput and cost as records grow</title>
<rect width="100%" height="100%" fill="#fff"/>
${drawn.join('\n')}
</svg>
`
}

interface Scales {
  readonly x: (value: number) => number
  readonly y: (value: number) => number
}

function drawPanel({ title, x, y, curves }: Panel): string {
  const points = curves.flatMap((curve) => curve.points)
  const step = niceStep(Math.max(...points.map(([, value]) => value)) / TICKS)
  const scales = scalesFor(points, step * TICKS)
  const label = (left: number, top: number, text: string, extra = '') => `<text x="${left}" y="${top}" ${extra}>${escaped(text)}</text>`
  return [
    label(LEFT, 22, title, 'font-weight="600" font-size="13"'),
    label(WIDTH - RIGHT, HEIGHT - 12, x, `fill="${GREY}" text-anchor="end"`),
    label(LEFT - 10, TOP - 14, y, `fill="${GREY}" text-anchor="end"`),
    ...Array.from({ length: TICKS + 1 }, (_, n) => drawTick(n * step, scales)),
    ...[...new Set(points.map(([value]) => value))].map((value) =>
      label(scales.x(value), HEIGHT - BOTTOM + 18, short(value), `fill="${GREY}" text-anchor="middle"`),
    ),
    ...curves.map((curve, n) => drawCurve(curve, COLOURS[n % COLOURS.length] as string, scales, n)),
  ].join('\n')
}

function scalesFor(points: readonly (readonly [number, number])[], highest: number): Scales {
  const exponents = points.map(([value]) => Math.log10(value))
  const least = Math.min(...exponents)
  const span = Math.max(...exponents) - least || 1
  return {
    x: (value) => round(LEFT + ((Math.log10(value) - least) / span) * (WIDTH - LEFT - RIGHT)),
    y: (value) => round(HEIGHT - BOTTOM - (value / highest) * (HEIGHT - TOP - BOTTOM)),
  }
}

function drawTick(value: number, { y }: Scales): string {
  const height = y(value)
  return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${height}" y2="${height}" stroke="#ddd"/>
<text x="${LEFT - 10}" y="${height + 4}" fill="${GREY}" text-anchor="end">${short(value)}</text>`
}

function drawCurve({ name, points }: Curve, colour: string, { x, y }: Scales, n: number): string {
  const path = points.map(([left, top]) => `${x(left)},${y(top)}`).join(' ')
  const dots = points.map(([left, top]) => `<circle cx="${x(left)}" cy="${y(top)}" r="3.5" fill="${colour}"/>`)
  const legend = `<text x="${LEFT + 10 + n * 130}" y="${TOP - 14}" fill="${colour}">● ${escaped(name)}</text>`
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}${legend}`
}

/** Returns 1, 2 or 5 times a power of ten: the smallest such number that is at least `atLeast`. */
function niceStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast || 1))
  return ([1, 2, 5, 10].find((factor) => factor * power >= atLeast) ?? 10) * power
}

function short(value: number): string {
  if (value >= 1_000_000) return `${round(value / 1_000_000)}M`
  return value >= 1000 ? `${round(value / 1000)}k` : String(round(value))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
