import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A SQL script as Flink's own client reads it: its statements, and which of them only set an option. */
final class Script {
    private static final Pattern SET =
            Pattern.compile("\\s*SET\\s+'([^']*)'\\s*=\\s*'((?:[^']|'')*)'\\s*", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);
    private static final Pattern RESET = Pattern.compile("\\s*RESET\\s+'([^']*)'\\s*", Pattern.CASE_INSENSITIVE);
    private static final Pattern RELATIVE_PATH = Pattern.compile("('path'\\s*=\\s*')(?!/)", Pattern.CASE_INSENSITIVE);

    private Script() {}

    /** The statements of a script without comments; those between BEGIN and END stay one statement. */
    static List<String> statements(String text) {
        List<String> found = new ArrayList<>();
        StringBuilder current = new StringBuilder();
        int at = 0;
        while (at < text.length()) {
            char c = text.charAt(at);
            if (text.startsWith("--", at)) {
                at = endOf(text, "\n", at);
                current.append(' ');
            } else if (text.startsWith("/*", at) && !text.startsWith("/*+", at)) {
                at = endOf(text, "*/", at + 2) + 2;
                current.append(' ');
            } else if (c == '\'' || c == '`') {
                int end = Math.min(endOf(text, String.valueOf(c), at + 1) + 1, text.length());
                current.append(text, at, end);
                at = end;
            } else if (c == ';' && !insideSet(current)) {
                add(found, current);
                at++;
            } else {
                current.append(c);
                at++;
            }
        }
        add(found, current);
        return found;
    }

    /** Name and value of a SET statement, name and null of a RESET, null of anything else. */
    static String[] option(String statement) {
        Matcher set = SET.matcher(statement);
        if (set.matches()) {
            return new String[] {set.group(1), set.group(2).replace("''", "'")};
        }
        Matcher reset = RESET.matcher(statement);
        return reset.matches() ? new String[] {reset.group(1), null} : null;
    }

    /** The statement with its relative paths below `folder`: one process runs every case, and has one working directory. */
    static String rooted(String statement, String folder) {
        return RELATIVE_PATH.matcher(statement).replaceAll("$1" + Matcher.quoteReplacement(folder) + "/");
    }

    private static int endOf(String text, String mark, int from) {
        int end = text.indexOf(mark, from);
        return end < 0 ? text.length() : end;
    }

    private static boolean insideSet(StringBuilder current) {
        String upper = current.toString().trim().toUpperCase().replaceAll("\\s+", " ");
        return upper.startsWith("EXECUTE STATEMENT SET BEGIN") && !upper.endsWith("; END");
    }

    private static void add(List<String> found, StringBuilder current) {
        String statement = current.toString().trim();
        if (!statement.isEmpty()) {
            found.add(statement);
        }
        current.setLength(0);
    }
}
