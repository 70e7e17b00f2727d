// Properties as somebody writes them: a line for each, `group.name = value`.

export type Properties = Record<string, Record<string, string>>;

/** The group of those that are written without one. */
const FIRST_GROUP = 'FlinkApplicationProperties';
/** The group that speaks to the platform. */
const PLATFORM_GROUP = 'Hailstream';

/** The properties of a text, with the class to run where one is named; or the first line that is none, in words. */
export function propertiesOf(text: string, entryClass: string): { properties: Properties; wrong: string | null } {
  // Without a prototype: a group may be called as one of its members.
  const properties: Properties = Object.create(null) as Properties;
  const put = (group: string, name: string, value: string) => {
    properties[group] ??= Object.create(null) as Record<string, string>;
    properties[group][name] = value;
  };
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    const [key, value] = [line.slice(0, Math.max(at, 0)).trim(), line.slice(at + 1).trim()];
    if (at < 0 || key === '' || value === '') return { properties, wrong: `Line ${index + 1} of the properties is not of the form group.name = value.` };
    const dot = key.indexOf('.');
    if (dot < 0) put(FIRST_GROUP, key, value);
    else put(key.slice(0, dot), key.slice(dot + 1), value);
  }
  if (entryClass !== '') put(PLATFORM_GROUP, 'entry-class', entryClass);
  return { properties, wrong: null };
}
