// Who is logged in, with what role, and the way out; nothing where nobody is asked.
import { leave, may, onlyLooks, session } from '../session';
import { Audit } from './audit';

export function Person() {
  const now = session.value;
  if (!now?.asked) return null;
  const title = onlyLooks.value ?? `The role ${now.role} may change what runs.`;
  return (
    <span class="person" title={title} data-testid="person">
      <span class="person-name" data-testid="person-key">
        {now.user ?? now.key}
      </span>
      <span class="person-role" data-testid="person-role">
        {now.role}
      </span>
      {may('govern') && <Audit />}
      {now.csrf !== null && (
        <button type="button" class="link" onClick={() => void leave()} data-testid="logout">
          Log out
        </button>
      )}
    </span>
  );
}
