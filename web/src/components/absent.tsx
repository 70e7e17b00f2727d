// Words for an address that names what is not there.
import { shownName } from '../page';

/** `names` is null until they are known. */
export function Absent({ what, names }: { what: string; names: string[] | null }) {
  const asked = shownName.value;
  if (asked === null || names === null || names.includes(asked)) return null;
  return (
    <p class="trouble" role="status" data-testid="absent">
      There is no {what} {asked}.
    </p>
  );
}
