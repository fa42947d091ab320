// The page of a small graph: holds what is shown, listens to mouse and keyboard, keeps all parts in step.

import { Circuit } from "./circuit";
import { at, type Graph } from "./data";
import { byId, html } from "./dom";
import { explain } from "./explain";
import { CircuitFacts } from "./facts";
import { Inputs } from "./inputs";
import { formula, math, nameMarkup } from "./mathml";
import { lossName } from "./names";
import { askedFor, Quiz } from "./quiz";
import { drawFindings, question, reasonLine } from "./reasons";
import { compare, libraryRun, obstacle, type Run, runGraph } from "./replay";
import { gradientAt, type Plan, planOf } from "./steps";
import { numbersTable } from "./table";
import { why } from "./why";

const SMALLEST_SCALE = 0.35;
const LARGEST_SCALE = 2.5;
/** Fitting stops here, so that the numbers stay legible; the drawing scrolls instead. */
const LEAST_FITTED_SCALE = 0.72;
const MOST_FITTED_SCALE = 1.5;

export class CircuitPage {
  private readonly library: Run;
  private run: Run;
  private facts: CircuitFacts;
  private readonly plan: Plan;
  private readonly leaves = new Map<number, number[]>();
  private readonly circuit: Circuit;
  private readonly inputs: Inputs;
  private quiz: Quiz | null = null;
  private step: number;
  private timer = 0;
  private zoom = 0;
  private readonly editable: boolean;

  private readonly stage = byId("stage", HTMLElement);
  private readonly canvas = byId("canvas", HTMLElement);
  private readonly scrub = byId("scrub", HTMLInputElement);
  private readonly playButton = byId("play", HTMLButtonElement);
  private readonly quizButton = byId("quiz", HTMLButtonElement);
  private readonly findings = byId("findings", HTMLDetailsElement);
  private found = 0;
  private readonly fields = html("div", { class: "fields" });
  private readonly reveal = html("button", { type: "button", id: "reveal" }, "Show one");

  constructor(private readonly graph: Graph) {
    this.library = libraryRun(graph);
    this.run = this.library;
    this.facts = new CircuitFacts(graph, this.run);
    this.plan = planOf(graph, this.library);
    this.step = this.plan.steps.length - 1;
    const unknown = obstacle(graph);
    this.editable = unknown === null;
    this.title();
    this.circuit = new Circuit(graph, {
      editable: this.editable,
      gate: (id) => this.goToGate(id),
      leaf: (id) => this.inputs.focus(id),
      drag: (id, start, steps) => this.drag(id, start, steps),
      valueOf: (id) => at(at(this.run.values, id), 0),
    });
    this.canvas.append(this.circuit.element, this.fields);
    this.inputs = new Inputs(
      {
        graph,
        editable: this.editable,
        reason: unknown
          ? `The numbers are those of the library. They can't be changed here: the page has no formula to recompute ${unknown.name}.`
          : "",
        leaves: () => this.leaves,
        change: (id, element, value) => this.change(id, element, value),
        reset: () => this.reset(),
      },
      byId("inputs", HTMLElement),
    );
    this.find();
    this.checkReplay();
    this.setUpPlayer();
    this.setUpZoom();
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("beforeprint", () => {
      byId("numbers", HTMLDetailsElement).open = true;
    });
    this.show();
  }

  private title(): void {
    const { graph } = this;
    const title = byId("title", HTMLElement);
    if (graph.expression === null) {
      title.textContent = graph.title;
    } else {
      title.innerHTML = math(
        `${nameMarkup(lossName(graph))}<mo>=</mo>${formula(graph.expression)}`,
        graph.title,
      );
    }
  }

  /** Runs the graph on the page from the library's inputs; the numbers must be the same as printed. */
  private checkReplay(): void {
    const badge = byId("replay", HTMLElement);
    if (!this.editable) {
      badge.textContent = "numbers from the library";
      return;
    }
    const page = runGraph(this.graph, new Map());
    const result = compare(this.graph, this.library, page);
    badge.classList.add(result.difference ? "bad" : "good");
    badge.textContent = result.difference ? "replay differs" : `replay: all ${result.compared} numbers equal`;
    badge.title = result.difference
      ? `This page recomputes the graph, and ${result.difference}. Numbers after a change are the page's.`
      : `This page recomputed the graph on loading, and ${result.compared} numbers are equal to the library's in every printed digit.`;
    if (result.difference)
      byId("formulas", HTMLElement).before(html("p", { class: "alert", role: "alert" }, badge.title));
  }

  /** Whether there is anything for a quiz to ask. */
  private get canAsk(): boolean {
    return askedFor(this.graph, this.plan, this.library).length > 0;
  }

  private get last(): number {
    return this.plan.steps.length - 1;
  }

  private setUpPlayer(): void {
    const on = (id: string, action: () => void) =>
      byId(id, HTMLButtonElement).addEventListener("click", action);
    on("first", () => this.goTo(0));
    on("back", () => this.goTo(this.step - 1));
    on("forward", () => this.goTo(this.step + 1));
    on("last", () => this.goTo(this.last));
    on("play", () => (this.timer ? this.pause() : this.play()));
    on("quiz", () => this.setQuiz(this.quiz === null));
    this.reveal.addEventListener("click", () => this.quiz?.reveal());
    this.scrub.max = String(this.last);
    this.scrub.addEventListener("input", () => this.goTo(this.scrub.valueAsNumber));
    const speed = byId("speed", HTMLSelectElement);
    speed.addEventListener("change", () => {
      if (this.timer) this.play();
    });
    const forward = this.plan.seedStep < 0 ? this.last : this.plan.seedStep;
    byId("phase-forward", HTMLElement).style.flexGrow = String(forward);
    const backward = byId("phase-backward", HTMLElement);
    backward.style.flexGrow = String(this.last - forward);
    backward.hidden = this.plan.seedStep < 0;
    this.quizButton.hidden = !this.canAsk;
  }

  private play(): void {
    window.clearInterval(this.timer);
    if (this.step >= this.last) this.goTo(0);
    const pause = Number(byId("speed", HTMLSelectElement).value);
    this.timer = window.setInterval(() => {
      if (this.step < this.last) this.goTo(this.step + 1, true);
      if (this.step >= this.last) this.pause();
    }, pause);
    this.showPlaying();
  }

  private pause(): void {
    window.clearInterval(this.timer);
    this.timer = 0;
    this.showPlaying();
  }

  private showPlaying(): void {
    this.playButton.textContent = this.timer ? "Pause" : "Play";
    this.playButton.setAttribute("aria-label", this.timer ? "Pause" : "Play");
  }

  private goTo(step: number, playing = false): void {
    if (this.quiz) return;
    if (!playing && this.timer) this.pause();
    this.step = Math.max(0, Math.min(this.last, step));
    this.show();
    this.follow();
  }

  /** To the step of a gate: its backward step, unless the page is in the forward pass. */
  private goToGate(id: number): void {
    const backward = at(this.plan.backwardStep, id);
    const inForward = this.plan.seedStep < 0 || this.step < this.plan.seedStep;
    this.goTo(inForward || backward < 0 ? at(this.plan.forwardStep, id) : backward);
  }

  /** Scrolls the gate that runs into sight. */
  private follow(): void {
    const now = at(this.plan.steps, this.step);
    if (now.kind !== "forward" && now.kind !== "backward") return;
    const box = this.circuit.gateBox(now.gate);
    const [x, y] = [box.x * this.scale, box.y * this.scale];
    const { scrollLeft, clientWidth, scrollTop, clientHeight } = this.stage;
    const margin = 140;
    const outside = x < scrollLeft + margin || x > scrollLeft + clientWidth - margin;
    const above = y < scrollTop + 50 || y > scrollTop + clientHeight - 50;
    if (outside || above) {
      const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.stage.scrollTo({
        left: x - clientWidth / 2,
        top: y - clientHeight / 2,
        behavior: still ? "auto" : "smooth",
      });
    }
  }

  private get scale(): number {
    if (this.zoom > 0) return this.zoom;
    const { width } = this.circuit.layout;
    const fitted = (this.stage.clientWidth - 2) / width;
    return Math.max(LEAST_FITTED_SCALE, Math.min(MOST_FITTED_SCALE, fitted));
  }

  private setUpZoom(): void {
    const zoomTo = (zoom: number) => {
      this.zoom = zoom === 0 ? 0 : Math.max(SMALLEST_SCALE, Math.min(LARGEST_SCALE, zoom));
      this.resize();
    };
    byId("smaller", HTMLButtonElement).addEventListener("click", () => zoomTo(this.scale / 1.2));
    byId("larger", HTMLButtonElement).addEventListener("click", () => zoomTo(this.scale * 1.2));
    byId("fit", HTMLButtonElement).addEventListener("click", () => zoomTo(0));
    let width = -1;
    new ResizeObserver(() => {
      if (this.stage.clientWidth !== width) {
        width = this.stage.clientWidth;
        this.resize();
      }
    }).observe(this.stage);
    this.resize();
  }

  private resize(): void {
    const { width, height } = this.circuit.layout;
    this.canvas.style.setProperty("--width", `${width * this.scale}px`);
    this.canvas.style.setProperty("--height", `${height * this.scale}px`);
    if (this.quiz) this.placeFields();
  }

  private change(id: number, element: number, value: number): void {
    const numbers = [...(this.leaves.get(id) ?? at(this.graph.values, id).value)];
    numbers[element] = value;
    this.leaves.set(id, numbers);
    this.recompute();
  }

  private drag(id: number, start: number, steps: number): void {
    if (!this.editable || at(this.graph.values, id).value.length !== 1) return;
    const size = Math.abs(at(at(this.graph.values, id).value, 0));
    const step = size >= 100 ? 10 ** (Math.floor(Math.log10(size)) - 1) : 0.1;
    this.change(id, 0, Number((start + steps * step).toPrecision(12)));
  }

  private reset(): void {
    this.leaves.clear();
    this.run = this.library;
    this.afterChange();
  }

  private recompute(): void {
    this.run = runGraph(this.graph, this.leaves);
    this.afterChange();
  }

  private afterChange(): void {
    this.facts = new CircuitFacts(this.graph, this.run);
    this.find();
    if (this.quiz) this.startQuiz();
    this.show();
  }

  /** Lists the inputs without a usable gradient. */
  private find(): void {
    const { graph, facts, findings } = this;
    this.found = drawFindings(findings, facts, "inputs", graph.values.length, (gate) => this.goToGate(gate));
  }

  private setQuiz(on: boolean): void {
    this.pause();
    this.step = this.last;
    this.quizButton.setAttribute("aria-pressed", String(on));
    document.body.classList.toggle("quiz", on);
    if (on) {
      this.startQuiz();
    } else {
      this.quiz = null;
      this.fields.replaceChildren();
    }
    for (const id of ["first", "back", "play", "forward", "last"]) byId(id, HTMLButtonElement).disabled = on;
    this.scrub.disabled = on;
    this.show();
  }

  private startQuiz(): void {
    byId("what", HTMLElement).textContent = "Find the gradients";
    const note = html("p", { class: "note", role: "status", id: "feedback" });
    const body = byId("formulas", HTMLElement);
    body.replaceChildren(note, this.reveal);
    this.quiz = new Quiz(this.graph, this.plan, this.run, ({ text, kind }) => {
      note.textContent = text;
      note.className = `note ${kind}`;
    });
    this.placeFields();
  }

  private placeFields(): void {
    this.quiz?.build(this.fields, this.circuit.gradientPlaces(), this.scale);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target =
      event.target instanceof HTMLElement || event.target instanceof SVGElement ? event.target : null;
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const actions: Record<string, () => void> = {
      ArrowRight: () => this.goTo(this.step + 1),
      ArrowLeft: () => this.goTo(this.step - 1),
      Home: () => this.goTo(0),
      End: () => this.goTo(this.last),
      q: () => this.canAsk && this.setQuiz(this.quiz === null),
    };
    // A space presses the button that has the focus.
    const pressed = target instanceof HTMLButtonElement || target?.tagName === "SUMMARY";
    if (!pressed) actions[" "] = () => (this.quiz ? undefined : this.timer ? this.pause() : this.play());
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  }

  private show(): void {
    const { graph, plan, run, step } = this;
    const quiz = this.quiz !== null;
    this.circuit.update({ graph, plan, run, step, quiz });
    this.inputs.update(run, (id) => gradientAt(graph, plan, run, id, step)?.numbers ?? null, quiz);
    this.scrub.value = String(step);
    const where = this.where();
    this.scrub.setAttribute("aria-valuetext", where);
    byId("where", HTMLElement).textContent = where;
    byId("first", HTMLButtonElement).disabled = quiz || step === 0;
    byId("back", HTMLButtonElement).disabled = quiz || step === 0;
    byId("forward", HTMLButtonElement).disabled = quiz || step === this.last;
    byId("last", HTMLButtonElement).disabled = quiz || step === this.last;
    byId("table", HTMLElement).replaceChildren(quiz ? "Hidden during the quiz." : numbersTable(graph, run));
    this.findings.hidden = quiz || this.found === 0;
    if (quiz) return;
    const explanation = explain(graph, plan, run, step);
    byId("what", HTMLElement).textContent = explanation.title;
    byId("formulas", HTMLElement).innerHTML = explanation.body;
    const reasons = this.reasons();
    byId("formulas", HTMLElement).append(...reasons.map(({ line }) => line));
    const spoken = [`${explanation.title}: ${explanation.spoken}`, ...reasons.map(({ text }) => text)];
    byId("spoken", HTMLElement).textContent = spoken.join(". ");
  }

  /** Why what a step shows is zero, missing or not finite, as far as it is known there. */
  private reasons(): { line: HTMLElement; text: string }[] {
    const { graph, plan, facts } = this;
    const now = at(plan.steps, this.step);
    if (now.kind !== "forward" && now.kind !== "backward") return [];
    const { gate } = now;
    const go = (to: number) => this.goToGate(to);
    const of = (value: number, own: boolean) => {
      const reason = why(facts, value);
      if (!reason || (own && reason.gate !== gate)) return [];
      const line = reasonLine(facts, value, reason, gate, go);
      return [{ line, text: `${question(facts, value)} ${reason.text}` }];
    };
    const output = at(at(graph.gates, gate).outputs, 0);
    if (now.kind === "forward") {
      const known = facts.value(output).notFinite > 0 || (facts.backward && !facts.gradient(output));
      return known ? of(output, false) : [];
    }
    const inputs = new Set(at(graph.gates, gate).inputs.filter((input) => facts.needs(input)));
    return [...of(output, false), ...[...inputs].flatMap((input) => of(input, true))];
  }

  private where(): string {
    const { plan, step } = this;
    const now = at(plan.steps, step);
    const backwards = this.last - plan.seedStep - 1;
    switch (now.kind) {
      case "start":
        return "start";
      case "forward":
        return `forward ${step} of ${this.graph.gates.length}`;
      case "seed":
        return "turning back";
      case "backward":
        return `backward ${step - plan.seedStep} of ${backwards}`;
      case "end":
        return "all done";
    }
  }
}
