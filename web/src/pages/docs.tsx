import '../shared/tokens.css';
import '../shared/base.css';
import '../docs/docs.css';
import { render } from 'preact';
import { DocsPage } from '../docs/DocsPage';
import { Account } from '../shared/account';
import { askHealth } from '../shared/health';

const app = document.getElementById('app')!;
app.textContent = '';
render(<DocsPage account={new Account()} />, app);
void askHealth();
