// A question that is asked again and again: one under way at a time, newest wins, the last answer stays until a newer one.
import { type Signal, signal } from '@preact/signals';
import { wordsOf } from './api';

export interface Answer<T> {
  /** The last answer, also while a newer one is on its way or has failed. */
  value: T | null;
  failure: string | null;
  /** Whether the first answer is still on its way. */
  loading: boolean;
}

/** A failed question is asked again after this long. */
const AGAIN_MS = 5_000;

export class Question<A extends unknown[], T> {
  readonly answer: Signal<Answer<T>> = signal({ value: null, failure: null, loading: true });
  private underWay: AbortController | null = null;
  private waiting: A | null = null;
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly put: (...args: [...A, AbortSignal]) => Promise<T>) {}

  /** Asks; what is under way is finished first, unless `replace` says that its answer is of no use any more. */
  ask(args: A, replace: boolean): void {
    if (this.underWay && !replace) {
      this.waiting = args;
      return;
    }
    this.underWay?.abort();
    this.waiting = null;
    void this.run(args);
  }

  /** Forgets the answer, and whatever is under way. */
  clear(loading: boolean): void {
    clearTimeout(this.again);
    this.underWay?.abort();
    this.underWay = null;
    this.waiting = null;
    this.answer.value = { value: null, failure: null, loading };
  }

  private async run(args: A): Promise<void> {
    clearTimeout(this.again);
    const controller = new AbortController();
    this.underWay = controller;
    try {
      const value = await this.put(...args, controller.signal);
      if (controller.signal.aborted) return;
      this.answer.value = { value, failure: null, loading: false };
    } catch (error) {
      if (controller.signal.aborted) return;
      const failure = wordsOf(error);
      this.answer.value = { value: this.answer.peek().value, failure, loading: false };
      this.again = setTimeout(() => this.ask(args, false), AGAIN_MS);
    }
    this.underWay = null;
    if (this.waiting) this.ask(this.waiting, false);
  }
}
