// A new application of a program: its jar, its name, the class to run, its size, and its properties.
import { useId, useState } from 'preact/hooks';
import { JAR_BYTES_MAX, orders } from '../api';
import { choose } from '../applications';
import { creationControl, locked, run } from '../controls';
import { bytes } from '../format';
import { propertiesOf } from '../properties';
import { PARALLELISM_MAX } from './application-stage';

const KINDS = '.jar,.zip,application/java-archive';

/** A name that the file proposes: `trip-counter.jar` is `trip-counter`. */
const proposed = (file: string): string => file.replace(/\.(jar|zip)$/i, '').replace(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 128);

function Form({ close }: { close: () => void }) {
  const id = useId();
  const [jar, setJar] = useState<File | null>(null);
  const [name, setName] = useState('');
  const [entry, setEntry] = useState('');
  const [parallelism, setParallelism] = useState('1');
  const [text, setText] = useState('');
  const { pending, error } = creationControl.value;
  const { properties, wrong } = propertiesOf(text, entry.trim());
  const large = jar !== null && jar.size > JAR_BYTES_MAX;
  const trouble = large ? `The jar has ${bytes(jar.size).join(' ')}; ${bytes(JAR_BYTES_MAX).join(' ')} are the most. A larger one comes from a bucket.` : (wrong ?? error);
  const take = (file: File | null) => {
    if (file && (name === '' || (jar && name === proposed(jar.name)))) setName(proposed(file.name));
    setJar(file);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!jar || large || wrong !== null) return;
    await run(creationControl, `${name} is made; start it when you like.`, async () => {
      const { sha256 } = await orders.keepProgram(jar);
      await orders.createApplication({ name, program: sha256, parallelism: Number(parallelism), parallelism_per_kpu: 1, properties });
    });
    if (creationControl.peek().error !== null) return;
    close();
    choose(name);
  };
  return (
    <form class="new-application" onSubmit={(event) => void submit(event)} aria-busy={pending} data-testid="new-application">
      <p class="hint">A program for Flink. It runs on the cluster that the platform knows.</p>
      <label for={`${id}-jar`}>Jar</label>
      <input id={`${id}-jar`} type="file" accept={KINDS} required onChange={(event) => take(event.currentTarget.files?.[0] ?? null)} data-testid="new-jar" />
      <label for={`${id}-name`}>Name</label>
      <input id={`${id}-name`} value={name} required maxLength={128} pattern="[A-Za-z0-9_.\-]+" autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} data-testid="new-name" />
      <label for={`${id}-entry`}>Class to run</label>
      <input id={`${id}-entry`} value={entry} placeholder="as the jar’s manifest says" autocomplete="off" onInput={(event) => setEntry(event.currentTarget.value)} data-testid="new-entry" />
      <label for={`${id}-parallelism`}>Parallelism</label>
      <input id={`${id}-parallelism`} type="number" min={1} max={PARALLELISM_MAX} required value={parallelism} onInput={(event) => setParallelism(event.currentTarget.value)} data-testid="new-parallelism" />
      <label for={`${id}-properties`}>Properties</label>
      <textarea id={`${id}-properties`} rows={5} value={text} placeholder={'Input.stream.name = trips\nOutput.index = counts'} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} data-testid="new-properties" />
      {trouble && (
        <p class="control-error" role="alert" data-testid="new-error">
          {trouble}
        </p>
      )}
      <div class="new-application-actions">
        <button type="submit" class="button button-strong" disabled={locked.value || pending || large || wrong !== null} data-testid="new-make">
          {pending ? 'Sending…' : 'Make it'}
        </button>
        <button type="button" class="button" disabled={pending} onClick={close}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** The form, behind a button. */
export function NewApplication() {
  const [open, setOpen] = useState(false);
  const close = () => {
    creationControl.value = { pending: false, error: null };
    setOpen(false);
  };
  if (open) return <Form close={close} />;
  return (
    <button type="button" class="button" disabled={locked.value} onClick={() => setOpen(true)} data-testid="new-open">
      New application from a jar
    </button>
  );
}
