/** A canvas that is drawn on with finger, pen or mouse. */

type Point = [number, number];

const WIDTH = 1 / 12;
/** Strokes in the unit square, so that they can be painted anew. */
export class Drawing {
  private strokes: Point[][] = [];
  private readonly context: CanvasRenderingContext2D;

  /** `changed` is called after each stroke. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private dark: boolean,
    private readonly changed: () => void,
  ) {
    this.context = canvas.getContext("2d")!;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.go(event));
    for (const end of ["pointerup", "pointercancel"] as const) canvas.addEventListener(end, (event) => this.end(event));
    this.paint();
  }

  get empty(): boolean {
    return !this.strokes.length;
  }

  undo(): void {
    this.strokes.pop();
    this.paint();
    this.changed();
  }

  clear(): void {
    this.strokes = [];
    this.paint();
    this.changed();
  }

  /** Dark ink on a light ground, or the other way round. */
  ink(dark: boolean): void {
    this.dark = dark;
    this.paint();
    this.changed();
  }

  /** The drawing as a PNG. */
  async png(): Promise<Uint8Array> {
    const blob = await new Promise<Blob>((resolve) => this.canvas.toBlob((made) => resolve(made!), "image/png"));
    return new Uint8Array(await blob.arrayBuffer());
  }

  private begin(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.strokes.push([this.at(event)]);
    this.paint();
  }

  private go(event: PointerEvent): void {
    if (!this.canvas.hasPointerCapture(event.pointerId)) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) this.strokes.at(-1)?.push(this.at(one));
    this.paint();
  }

  private end(event: PointerEvent): void {
    if (!this.canvas.hasPointerCapture(event.pointerId)) return;
    this.canvas.releasePointerCapture(event.pointerId);
    this.changed();
  }

  private at(event: PointerEvent): Point {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  private paint(): void {
    const { context, canvas } = this;
    const side = canvas.width;
    context.fillStyle = this.dark ? "#fff" : "#000";
    context.fillRect(0, 0, side, side);
    context.strokeStyle = this.dark ? "#000" : "#fff";
    context.lineWidth = side * WIDTH;
    context.lineCap = context.lineJoin = "round";
    for (const [first, ...rest] of this.strokes) {
      context.beginPath();
      context.moveTo(first![0] * side, first![1] * side);
      // A dot is a line to where it begins.
      for (const [x, y] of rest.length ? rest : [first!]) context.lineTo(x * side, y * side);
      context.stroke();
    }
  }
}
